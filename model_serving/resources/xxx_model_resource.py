"""The endpoint of XXXModel, and the smallest complete declaration."""

from typing import Any

from model_serving.models.xxx_model import XXXModel
from model_serving.web import Example, ModelResource


class XXXModelResource(ModelResource):
    """``{"name": "Leo"}`` → ``{"result": "Hello, Leo!"}``."""

    model = XXXModel
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
    }
    response_schema = {
        "type": "object",
        "properties": {"result": {"type": "string"}},
        "required": ["result"],
    }
    examples = (Example({"name": "Leo"}, {"result": "Hello, Leo!"}),)

    def to_instance(self, body: Any) -> Any:
        """Return the name."""
        return body["name"]
