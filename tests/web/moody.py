"""A model and its resources that fail in every way they are told to."""

from pathlib import Path
from typing import Any

import flask
import orjson
from flask import abort, make_response
from flask_restful import Resource
from werkzeug.exceptions import Conflict

from model_serving import errors
from model_serving.app import create_front
from model_serving.config import Config
from model_serving.serving import InvalidInstance, Model
from model_serving.web import Example, ModelResource, validate_json
from model_serving.web.request import current_request
from tests.lanes import FrontLane, environ_of

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
        match body.get("do"):
            case "flask":
                return {"do": flask.request.method}
            case "abort":
                abort(409, "not so")
            case "field of body":
                raise ERRORS["field"]
        return body

    def to_response(self, prediction: Any) -> Any:
        match prediction:
            case "tuple":
                return {"result": 1}, 201, {"X-Own": "yes"}
            case "response":
                return make_response(b"own", 203, {"Content-Type": "text/own"})
            case "abort after":
                abort(418)
        if isinstance(prediction, str) and prediction in ERRORS:
            raise ERRORS[prediction]
        return {"result": prediction}


class EagerModel(MoodyModel):
    """Have a resource with a post of its own."""


class EagerModelResource(MoodyModelResource):
    model = EagerModel

    def post(self) -> Any:
        return {"own": flask.request.get_json()}


class PlainResource(Resource):
    """A resource without a model."""

    @validate_json(NAME)
    def post(self) -> Any:
        return {"plain": current_request().get_json()}


def moody_lane(conf_dir: Path, *resources: type[Resource], **settings: Any) -> FrontLane:
    """Build the front, and the app behind it."""
    resources = resources or (MoodyModelResource, EagerModelResource, PlainResource)
    settings = {"max_content_length": 1000} | settings
    return FrontLane(create_front(Config(**settings), resources, conf_dir))


def asked(what: Any, **changes: Any) -> dict[str, Any]:
    """Return the environment of a request to do something."""
    return environ_of("/v1/MoodyModel", orjson.dumps({"do": what}), **changes)
