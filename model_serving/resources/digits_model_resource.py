"""The endpoint of DigitsModel: a picture in, as base64 in JSON or as a part of a form."""

from typing import Any

from model_serving.models.digits_model import DigitsModel
from model_serving.web import Example, ModelResource

# A 7, drawn with a pen of 4 pixels in a picture of 32 x 40.
SEVEN = (
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAoAQAAAAC3UsU0AAAAXklEQVR42m3OsQ3CQABD0XcGCToyQjaB0RmFEVKmiDAFShpo"
    "LMvfsjyK+BUbdxu3I5ty6iaYw9c9drrSLg2LMISXkGP0KZxpLw1XUcK0V96EWWyEh1jRpR3tEOP/3Q9vxhvKYPW1AgAAAABJ"
    "RU5ErkJggg=="
)


class DigitsModelResource(ModelResource):
    """A picture of a handwritten digit → the digit, and the probabilities of all ten."""

    model = DigitsModel
    schema = {
        "type": "object",
        "properties": {
            "picture": {
                "type": "string",
                "contentEncoding": "base64",
                "contentMediaType": "image/*",
                "description": "PNG or JPEG of any size, with one digit, on light or dark ground",
            }
        },
        "required": ["picture"],
        "additionalProperties": False,
    }
    response_schema = {
        "type": "object",
        "properties": {
            "label": {"type": "integer", "minimum": 0, "maximum": 9},
            "probabilities": {
                "type": "array",
                "items": {"type": "number", "minimum": 0, "maximum": 1},
                "minItems": 10,
                "maxItems": 10,
            },
        },
        "required": ["label", "probabilities"],
    }
    examples = (
        Example(
            {"picture": SEVEN},
            {"label": 7, "probabilities": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]},
        ),
    )

    def to_instance(self, body: Any) -> Any:
        """Return the picture's bytes."""
        return body["picture"]

    def to_response(self, prediction: Any) -> Any:
        """Return the label and the probabilities."""
        return prediction
