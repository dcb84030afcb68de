"""A model and its resources that fail in every way they are told to."""

from pathlib import Path
from typing import Any, NoReturn

import flask
import orjson
from flask import Flask
from werkzeug.exceptions import Conflict

from model_serving import errors
from model_serving.app import create_app
from model_serving.config import Config
from model_serving.serving import InvalidInstance, Model
from model_serving.web import Example, ModelResource
from tests.web.lanes import environ_of

NAME: dict[str, Any] = {"type": "object", "properties": {"do": {"type": "string"}}}
ERRORS: dict[str, Exception] = {
    "bad": errors.BadRequest("so not"),
    "field": errors.InvalidBody("so not", "/do"),
    "left": errors.CallerLeft(),
    "failed": errors.ModelFailed(),
    "not ready": errors.ModelNotReady("not yet", 7),
    "overloaded": errors.Overloaded(),
    "late": errors.DeadlineExceeded(),
    "plain": errors.ServiceError(),
    "unknown": KeyError("secret"),
    "conflict": Conflict("secret"),
}


class MoodyModel(Model):
    """Do as it is told."""

    def predict(self, instances: list[Any]) -> list[Any]:
        return [self.act(instance.get("do")) for instance in instances]

    def act(self, what: Any) -> Any:
        if what == "raise":
            raise RuntimeError("secret")
        if what == "refuse":
            return InvalidInstance("not this one")
        return {"set": {1}, "nan": float("nan"), "text": "Ω\n"}.get(what, what)


class MoodyModelResource(ModelResource):
    model = MoodyModel
    schema = NAME
    response_schema = {"type": "object"}
    examples = (Example({"do": "it"}, {"result": "it"}),)

    def to_instance(self, body: Any) -> Any:
        if body.get("do") in ("flask", "field of body"):
            return {"do": flask.request.method} if body["do"] == "flask" else _raise("field")
        return body

    def to_response(self, prediction: Any) -> Any:
        return _raise(prediction) if prediction in ERRORS else {"result": prediction}


def _raise(what: str) -> NoReturn:
    raise ERRORS[what]


class EagerModel(MoodyModel):
    """Have a resource with a post of its own."""


class EagerModelResource(MoodyModelResource):
    model = EagerModel

    def post(self) -> Any:
        return {"own": flask.request.get_json()}


def moody_app(conf_dir: Path) -> Flask:
    """Build the app."""
    resources = [MoodyModelResource, EagerModelResource]
    return create_app(Config(max_content_length=1000), resources, conf_dir)


def asked(what: Any, **changes: Any) -> dict[str, Any]:
    """Return the environment of a request to do something."""
    return environ_of("/v1/MoodyModel", orjson.dumps({"do": what}), **changes)
