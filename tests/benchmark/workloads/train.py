"""Make the weights of the workloads, from a fixed seed: every run of the benchmark serves the same.

Run where `served` can be imported: python -m tests.benchmark.workloads.train <folder>
"""

import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

TREES = 100
HIDDEN = (1024, 1024)
EPOCHS = 5


def train(folder: Path) -> None:
    """Train the forest and the network on scikit-learn's digits, and write them to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    digits, labels = load_digits(return_X_y=True)
    digits = (digits / 16).astype(np.float32)
    forest = RandomForestClassifier(TREES, random_state=0, n_jobs=1).fit(digits, labels)
    joblib.dump(forest, folder / "digits_forest.joblib")
    network = MLPClassifier(HIDDEN, max_iter=EPOCHS, random_state=0)
    with warnings.catch_warnings():  # It trains for a fixed number of epochs.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(digits, labels)
    graph = to_onnx(
        network,
        initial_types=[("pixels", FloatTensorType([None, digits.shape[1]]))],
        options={"zipmap": False},
    )
    (folder / "digits_mlp.onnx").write_bytes(graph.SerializeToString())


if __name__ == "__main__":
    train(Path(sys.argv[1]))
