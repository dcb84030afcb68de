"""The endpoint of EchoModel, which answers GET too."""

from typing import Any

from flask import request

from model_serving.models.echo_model import EchoModel
from model_serving.web import Answer, Documentation, Example, ModelResource, documented

RESPONSE = {
    "type": "object",
    "properties": {"response": {"type": "string"}, "success": {"type": "boolean"}},
    "required": ["success"],
}


class EchoModelResource(ModelResource):
    """``{"msg": "hi"}`` → ``{"response": "hi", "success": true}``."""

    model = EchoModel
    schema = {"type": "object", "properties": {"msg": {"type": "string"}}}
    response_schema = RESPONSE
    examples = (
        Example({"msg": "hi"}, {"response": "hi", "success": True}),
        Example({}, {"success": False}),
    )

    @documented(
        Documentation(
            "Echo a query",
            {200: Answer("The echo", RESPONSE)},
            errors=(500, 503, 504),
            query={"msg": "What to echo"},
        )
    )
    def get(self) -> Any:
        """Echo the query's ``msg``."""
        return self.answer(request.args.to_dict())

    def to_instance(self, body: Any) -> Any:
        """Return the message, or None."""
        return body.get("msg")

    def to_response(self, prediction: Any) -> Any:
        """Return the echo; without a message there is none."""
        if prediction is None:
            return {"success": False}
        return {"response": prediction, "success": True}
