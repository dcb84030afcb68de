"""FaultsModel: put into the copy that bin/faults starts, so that a model bounds its capacity."""

import time
from typing import Any

from model_serving.serving import Model
from model_serving.web import Example, ModelResource

PREDICT_S = 0.04


class FaultsModel(Model):
    """Take a while, and give back what was asked."""

    def predict(self, instances: list[Any]) -> list[Any]:
        """Return the instances."""
        time.sleep(PREDICT_S)
        return instances


class FaultsModelResource(ModelResource):
    """A number → the same number, later."""

    model = FaultsModel
    schema = {
        "type": "object",
        "properties": {"number": {"type": "integer"}},
        "required": ["number"],
    }
    response_schema = {"type": "object", "properties": {"result": {"type": "integer"}}}
    examples = (Example({"number": 1}, {"result": 1}),)

    def to_instance(self, body: Any) -> Any:
        """Return the number."""
        return body["number"]
