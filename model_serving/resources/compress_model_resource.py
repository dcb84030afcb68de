"""The endpoint of CompressModel: pictures in, and the URLs of smaller ones out."""

import base64
import hashlib
from typing import Any

from model_serving.models.compress_model import FORMATS, CompressModel
from model_serving.resources.digits_model_resource import SEVEN
from model_serving.web import Example, ModelResource

_SHA256 = hashlib.sha256(base64.b64decode(SEVEN)).hexdigest()
_PICTURE = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}


class CompressModelResource(ModelResource):
    """One picture or several → for each the URL of a smaller file, and how much smaller it is."""

    model = CompressModel
    schema = {
        "type": "object",
        "properties": {
            "the_file": {
                "anyOf": [
                    _PICTURE,
                    {"type": "array", "items": _PICTURE, "minItems": 1},
                ],
                "description": "JPEG, PNG, WebP or GIF; several parts of this name in a form",
            },
            "quality": {"type": "integer", "minimum": 1, "maximum": 95},
            "max_width": {"type": "integer", "minimum": 1, "maximum": 16384},
            "format": {"enum": list(FORMATS)},
        },
        "required": ["the_file"],
        "additionalProperties": False,
    }
    response_schema = {
        "type": "object",
        "properties": {
            "result": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "description": "The URL of the result"},
                        "size_before": {"type": "integer", "description": "In bytes"},
                        "size_after": {"type": "integer", "description": "In bytes"},
                        "width": {"type": "integer"},
                        "height": {"type": "integer"},
                    },
                    "required": ["file", "size_before", "size_after", "width", "height"],
                },
            }
        },
        "required": ["result"],
    }
    # It is small already, so it stays as it is.
    examples = (
        Example(
            {"the_file": SEVEN},
            {
                "result": [
                    {
                        "file": f"/assets/{_SHA256}.png",
                        "size_before": 151,
                        "size_after": 151,
                        "width": 32,
                        "height": 40,
                    }
                ]
            },
        ),
    )

    def to_instance(self, body: Any) -> Any:
        """Return the pictures, and how they are wanted."""
        wish = {name: value for name, value in body.items() if name != "the_file"}
        return wish | {"pictures": body["the_file"]}
