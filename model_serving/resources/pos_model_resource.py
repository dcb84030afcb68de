"""The endpoint of POSModel."""

from typing import Any

from model_serving.models.pos_model import POSModel
from model_serving.web import Example, ModelResource


class POSModelResource(ModelResource):
    """Text → tokens with part-of-speech tags and their offsets."""

    model = POSModel
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": 20_000}},
        "required": ["text"],
    }
    response_schema = {
        "type": "object",
        "properties": {
            "tokens": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "text": {"type": "string"},
                        "tag": {"type": "string", "description": "ICTCLAS tag, such as n, v, nr"},
                        "start": {"type": "integer", "description": "first character's index"},
                        "end": {"type": "integer", "description": "index after the last character"},
                    },
                    "required": ["text", "tag", "start", "end"],
                },
            }
        },
        "required": ["tokens"],
    }
    examples = (
        Example(
            {"text": "我爱北京"},
            {
                "tokens": [
                    {"text": "我", "tag": "r", "start": 0, "end": 1},
                    {"text": "爱", "tag": "v", "start": 1, "end": 2},
                    {"text": "北京", "tag": "ns", "start": 2, "end": 4},
                ]
            },
        ),
    )

    def to_instance(self, body: Any) -> Any:
        """Return the text."""
        return body["text"]

    def to_response(self, prediction: Any) -> Any:
        """Name the list of tokens."""
        return {"tokens": prediction}
