"""digits-mlp: an ONNX network 64 -> 1024 -> 1024 -> 10, which gains much from batches."""

import os
from pathlib import Path
from typing import Any

import numpy as np

# Before the import: onnxruntime's telemetry, on by default, keeps a device id in the home folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime


class Served:
    """Tell the digit of 8 x 8 grey levels, by one thread."""

    def __init__(self, weights: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            weights / "digits_mlp.onnx", options, providers=["CPUExecutionProvider"]
        )

    def predict(self, instances: list[Any]) -> list[dict[str, Any]]:
        """Return the digit and the probabilities of all ten for 64 grey levels from 0 to 1."""
        (rows,) = self.session.run(["probabilities"], {"pixels": np.array(instances, np.float32)})
        return [{"label": int(row.argmax()), "probabilities": row.tolist()} for row in rows]
