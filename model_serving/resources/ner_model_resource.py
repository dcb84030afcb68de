"""The endpoint of NERModel."""

from typing import Any

from model_serving.models.ner_model import NERModel
from model_serving.web import Example, ModelResource


class NERModelResource(ModelResource):
    """Text → the persons, places and organisations it names, with their offsets."""

    model = NERModel
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": 20_000}},
        "required": ["text"],
    }
    response_schema = {
        "type": "object",
        "properties": {
            "entities": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "text": {"type": "string"},
                        "type": {"enum": ["person", "place", "organisation"]},
                        "start": {"type": "integer", "description": "first character's index"},
                        "end": {"type": "integer", "description": "index after the last character"},
                    },
                    "required": ["text", "type", "start", "end"],
                },
            }
        },
        "required": ["entities"],
    }
    examples = (
        Example(
            {"text": "王小明在北京大学读书，家在上海。"},
            {
                "entities": [
                    {"text": "王小明", "type": "person", "start": 0, "end": 3},
                    {"text": "北京大学", "type": "organisation", "start": 4, "end": 8},
                    {"text": "上海", "type": "place", "start": 13, "end": 15},
                ]
            },
        ),
    )

    def to_instance(self, body: Any) -> Any:
        """Return the text."""
        return body["text"]

    def to_response(self, prediction: Any) -> Any:
        """Name the list of entities."""
        return {"entities": prediction}
