"""The endpoint of BenchmarkModel."""

from typing import Any

from model_serving.models.benchmark_model import BenchmarkModel
from served import FIELD, SCHEMA

from model_serving.web import Example, ModelResource


class BenchmarkModelResource(ModelResource):
    """A request of the workload → its answer."""

    model = BenchmarkModel
    schema = SCHEMA
    response_schema = {"type": "object"}
    examples: tuple[Example, ...] = ()

    def to_instance(self, body: Any) -> Any:
        """Return the name, or the numbers."""
        return body[FIELD]

    def to_response(self, prediction: Any) -> Any:
        """Return the answer as it is."""
        return prediction
