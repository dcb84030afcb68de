"""The endpoint of ForestModel."""

from typing import Any

from model_serving.models.forest_model import ForestModel

from model_serving.web import Example, ModelResource


class ForestModelResource(ModelResource):
    """64 grey levels from 0 to 1 → the digit, and the probabilities of all ten."""

    model = ForestModel
    schema = {
        "type": "object",
        "properties": {
            "pixels": {
                "type": "array",
                "items": {"type": "number"},
                "minItems": 64,
                "maxItems": 64,
            }
        },
        "required": ["pixels"],
    }
    response_schema = {
        "type": "object",
        "properties": {"label": {"type": "integer"}, "probabilities": {"type": "array"}},
    }
    examples: tuple[Example, ...] = ()

    def to_instance(self, body: Any) -> Any:
        """Return the grey levels."""
        return body["pixels"]

    def to_response(self, prediction: Any) -> Any:
        """Return the label and the probabilities."""
        return prediction
