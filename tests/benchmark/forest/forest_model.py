"""ForestModel: scikit-learn's digits by a random forest of 100 trees."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np

from model_serving.serving import Model


class ForestModel(Model):
    """Recognise a digit of 8 x 8 grey levels."""

    def __init__(self, weights: Path) -> None:
        self.forest = joblib.load(weights)

    def predict(self, instances: list[Any]) -> list[Any]:
        """Return the digit and the probabilities of all ten for 64 grey levels from 0 to 1."""
        return [
            {"label": int(row.argmax()), "probabilities": row.tolist()}
            for row in self.forest.predict_proba(np.array(instances))
        ]
