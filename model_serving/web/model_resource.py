"""ModelResource: a model's endpoint, declared.

One call an arrow: ``validate_json`` → ``post`` → ``to_instance`` → ``Runtime.predict`` →
``to_response``.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from flask_restful import Resource

from model_serving.errors import DeclarationError, InvalidBody
from model_serving.serving import Model
from model_serving.serving.runtime import ModelState, Runtime
from model_serving.web.documentation import Answer, Documentation, documented
from model_serving.web.preference import HandIn, or_later
from model_serving.web.request import current_request
from model_serving.web.validation import BodyValidator, validate_json

# What a resource may override that changes how it answers.
_OWN = ("post", "answer", "dispatch_request", "method_decorators", "decorators", "representations")


@dataclass(frozen=True)
class Example:
    """A request's JSON body, and the response expected for it."""

    request: Any
    response: Any


class ModelResource(Resource):
    """Serve one model at ``/v1/<ModelName>``.

    A subclass declares ``model``, ``schema`` (of the request), ``response_schema`` and
    ``examples``; everything else is drawn from these. It may override ``to_instance``
    and ``to_response``.
    """

    model: ClassVar[type[Model]]
    schema: ClassVar[dict[str, Any]]
    response_schema: ClassVar[dict[str, Any]]
    examples: ClassVar[Sequence[Example]]

    # One object answers all requests: what it holds is made once, at the start.
    init_every_request = False

    def __init__(self, runtime: Runtime, hand_in: HandIn | None = None) -> None:
        """Check the declaration, and prepare for requests; ``hand_in`` makes jobs of some.

        Raises:
            DeclarationError: the declaration is incomplete or contradicts itself.
        """
        _check_declaration(type(self))
        self.runtime = runtime
        post = validate_json(self.schema)(self.post)
        self.post = or_later(post, hand_in) if hand_in else post  # type: ignore[method-assign]

    def post(self) -> Any:
        """Answer the request's body, which is valid."""
        return self.answer(current_request().get_json())

    def answer(self, body: Any) -> Any:
        """Predict, and return the response."""
        request = current_request()
        prediction = self.runtime.predict(
            served_name(type(self)),
            self.to_instance(body),
            timeout_s=request.timeout_s,
            leave=request.leave,
        )
        return self.to_response(prediction)

    def to_instance(self, body: Any) -> Any:
        """Make the instance of a valid body, whose file fields are bytes. It must be pure."""
        return body

    def to_response(self, prediction: Any) -> Any:
        """Make the response, which is plain JSON data, of a prediction. It must be pure."""
        return {"result": prediction}

    @documented(
        Documentation("Describe the model", {200: Answer("How to call it", {"type": "object"})})
    )
    def get(self) -> Any:
        """Return what this model is, how to call it, and whether it is ready."""
        return summary(type(self), self.runtime.states()) | {
            "schema": self.schema,
            "response_schema": self.response_schema,
            "examples": [
                {"request": example.request, "response": example.response}
                for example in self.examples
            ],
        }


def served_name(resource: type[Resource]) -> str:
    """Return the name in the URL: that of the class, without ``Resource``."""
    return resource.__name__.removesuffix("Resource")


def served_url(resource: type[Resource]) -> str:
    """Return the URL that a resource answers."""
    return f"/v1/{served_name(resource)}"


def jobs_url(resource: type[Resource]) -> str:
    """Return the URL at which a model's jobs are handed in."""
    return f"{served_url(resource)}/jobs"


def is_declared(resource: type[ModelResource]) -> bool:
    """Say whether a resource's declaration is all there is to its answers to a POST."""
    return all(getattr(resource, own) is getattr(ModelResource, own) for own in _OWN)


def summary(resource: type[Resource], states: Mapping[str, ModelState]) -> dict[str, Any]:
    """Describe a resource in a few lines, for a list of them."""
    name = served_name(resource)
    lines = {"name": name, "url": served_url(resource), "description": description_of(resource)}
    if issubclass(resource, ModelResource):
        lines["version"] = resource.model.version
        lines["state"] = states[name].state
        if is_declared(resource):
            lines["jobs"] = jobs_url(resource)
    return lines


def description_of(resource: type[Resource]) -> str:
    """Return the first paragraph of the model's docstring, or of a plain resource's."""
    told = resource.model if issubclass(resource, ModelResource) else resource
    return " ".join((inspect.getdoc(told) or "").partition("\n\n")[0].split())


def _check_declaration(resource: type[ModelResource]) -> None:
    owner = resource.__name__
    for name in ("model", "schema", "response_schema", "examples"):
        if not hasattr(resource, name):
            raise DeclarationError(f"{owner} declares no {name}")
    if not issubclass(resource.model, Model):
        raise DeclarationError(f"{resource.model.__name__} is not a subclass of Model")
    if resource.model.__name__ != served_name(resource):
        raise DeclarationError(
            f"{owner} serves {resource.model.__name__}, so its name must be "
            f"{resource.model.__name__}Resource"
        )
    request = BodyValidator(resource.schema, owner)
    response = BodyValidator(resource.response_schema, f"{owner}, response_schema")
    for example in resource.examples:
        try:
            request.check(example.request)
            response.check(example.response)
        except InvalidBody as error:
            raise DeclarationError(
                f"{owner}: an example breaks its schema: {error.message}"
            ) from None
