"""The workload that a peer is to serve, which the environment names: its model and its request.

Every peer imports this, in an environment of its own, so it needs nothing of this project.
"""

import importlib
import os
from pathlib import Path
from typing import Any, Protocol

WORKLOAD = os.environ["WORKLOAD"]
MAX_BATCH_SIZE = int(os.environ["MAX_BATCH_SIZE"])
MAX_WAIT_MS = int(os.environ["MAX_WAIT_MS"])

# The numbers of a request, in "pixels"; hello has a "name" instead.
SIZE = {"digits-mlp": 64, "digits-forest": 64, "image-tensor": 224 * 224 * 3}.get(WORKLOAD, 0)
FIELD = "pixels" if SIZE else "name"
_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": SIZE, "maxItems": SIZE}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {FIELD: _NUMBERS if SIZE else {"type": "string"}},
    "required": [FIELD],
}


class Model(Protocol):
    """What all models are: a list of instances to a list of answers, which are plain data."""

    def predict(self, instances: list[Any]) -> list[dict[str, Any]]:
        """Answer each instance, which is what the request has in its field."""


def load_model() -> Model:
    """Load the model, and import its libraries only now.

    So a process that speaks HTTP alone pays for no library of models, in any peer.
    """
    module = importlib.import_module(WORKLOAD.replace("-", "_"))
    model: Model = module.Served(Path(os.environ["WEIGHTS"]))
    return model
