"""image-tensor: a picture of 224 x 224 RGB pixels as 150,528 numbers, so that JSON is the work."""

from pathlib import Path
from typing import Any

import numpy as np


class Served:
    """Tell the mean and the spread of each colour."""

    def __init__(self, weights: Path) -> None:
        """There are no weights."""

    def predict(self, instances: list[Any]) -> list[dict[str, Any]]:
        """Return mean and standard deviation of red, green and blue for each picture."""
        answers = []
        for instance in instances:
            pixels = np.array(instance, np.float32).reshape(-1, 3)
            answers.append({"mean": pixels.mean(0).tolist(), "std": pixels.std(0).tolist()})
        return answers
