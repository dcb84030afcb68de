"""The OpenAPI 3.1 document, drawn from what the resources and operations declare."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_restful import Resource

from model_serving import __version__
from model_serving.errors import TooManyJobs, Unavailable
from model_serving.web.documentation import Answer, Documentation, documentation_of, documented
from model_serving.web.job_documentation import content_of_job, handing_in, or_handing_in
from model_serving.web.jobs import ModelJobs
from model_serving.web.model_resource import Example, ModelResource, description_of, served_name
from model_serving.web.response import TIMEOUT_HEADER
from model_serving.web.schema import rebased
from model_serving.web.scoring import Scorer
from model_serving.web.uploads import FileFields

Json = dict[str, Any]

_PARAMETER = re.compile(r"<(\w+)>")  # in Flask's URLs

_ERROR_SCHEMA: Json = {
    "type": "object",
    "properties": {
        "message": {"type": "string"},
        "path": {"type": "string", "description": "JSON pointer of the field at fault"},
    },
    "required": ["message"],
}
_ERRORS = {
    400: "The body is not JSON, breaks its schema, or is refused by the model",
    404: "There is no such file or job",
    409: "The job has no result, or none yet",
    412: "The file is not the one of `If-Match`",
    413: "The body, or a file in it, is too large",
    416: "The file has no such part",
    422: "The `Idempotency-Key` was used for another request",
    429: "There are as many jobs as are allowed",
    500: "Internal server error",
    503: "Not now: a model is not ready, there is too much load, or files or jobs cannot be "
    "reached",
    504: "The model did not answer in time",
    507: "There is no room for a file or a job",
}


@dataclass(frozen=True)
class Route:
    """A URL and the resource that answers it; ``endpoint`` is a name of its own.

    ``collaborators`` are the arguments of the resource's constructor.
    """

    url: str
    endpoint: str
    resource: type[Resource]
    collaborators: Mapping[str, Any] = field(default_factory=dict)


class OpenAPI(Resource):
    """The OpenAPI document of the routes it is given, built once."""

    init_every_request = False

    def __init__(self, routes: Sequence[Route]) -> None:
        self.document = build_openapi(routes)

    @documented(
        Documentation("Describe the service", {200: Answer("OpenAPI 3.1", {"type": "object"})})
    )
    def get(self) -> Json:
        """Return the document."""
        return self.document


def build_openapi(routes: Sequence[Route]) -> Json:
    """Return the document that describes ``routes``."""
    components = _Components()
    paths = {
        _PARAMETER.sub(r"{\1}", route.url): {
            method: _operation(route, method, components)
            for method in ("get", "post", "put", "patch", "delete")
            if hasattr(route.resource, method)
        }
        for route in routes
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Model serving",
            "version": __version__,
            "description": "Python models over HTTP. Every response carries `X-Request-ID`.",
        },
        "servers": [{"url": "."}],  # From where this document is, perhaps below a prefix.
        "paths": paths,
        "components": {"schemas": components.schemas},
    }


class _Components:
    """The schemas that the document's operations refer to."""

    def __init__(self) -> None:
        self.schemas: Json = {"Error": _ERROR_SCHEMA}

    def add(self, name: str, schema: Mapping[str, Any]) -> Json:
        """Take a schema in, and return the reference to it."""
        reference = f"#/components/schemas/{name}"
        self.schemas[name] = rebased(schema, reference)
        return {"$ref": reference}


def _operation(route: Route, method: str, components: _Components) -> Json:
    function = getattr(route.resource, method)
    said = documentation_of(function)
    model = _model(route) if method == "post" else None
    if model is not None and not hasattr(function, "documentation"):
        said = _said(route, model)
    examples = model.examples if model else ()
    name = f"{route.endpoint}_{method}"
    operation: Json = {
        "operationId": name,
        "summary": said.summary or f"Call {route.endpoint}",
        "description": description_of(model) if model else "",
        "tags": [route.endpoint.partition("-")[0]],
        "parameters": [
            {"name": key, "in": "path", "required": True, "schema": {"type": "string"}}
            for key in _PARAMETER.findall(route.url)
        ]
        + [{"name": key, "in": "query", **_described(words)} for key, words in said.query.items()]
        + [{"name": key, "in": "header", "schema": schema} for key, schema in said.headers.items()],
        "responses": _responses(said, examples, name, components),
    }
    body_schema = model.schema if model else getattr(function, "body_schema", None)
    if body_schema is not None:
        content = _request_content(body_schema, examples, name, components)
        if issubclass(route.resource, ModelJobs):
            content = content_of_job(content, body_schema.get("properties", {}))
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _model(route: Route) -> type[ModelResource] | None:
    """Return the resource of the model that a route asks, or takes jobs for."""
    if issubclass(route.resource, ModelJobs):
        scorer: Scorer = route.collaborators["jobs"].scorers[route.collaborators["model"]]
        return scorer.resource
    return route.resource if issubclass(route.resource, ModelResource) else None


def _said(route: Route, model: type[ModelResource]) -> Documentation:
    if route.resource is not model:
        return handing_in(served_name(model))
    said = _prediction(model)
    return or_handing_in(said) if "hand_in" in route.collaborators else said


def _described(words: str | Mapping[str, Any]) -> Json:
    if isinstance(words, str):
        return {"description": words, "schema": {"type": "string"}}
    return {"schema": words}


def _prediction(resource: type[ModelResource]) -> Documentation:
    return Documentation(
        f"Predict with {served_name(resource)}",
        {200: Answer("The prediction", resource.response_schema)},
        errors=(400, 413, 500, 503, 504, 507),
        headers={
            TIMEOUT_HEADER: {
                "type": "integer",
                "minimum": 1,
                "description": "How long you wait for the answer, where that is less than the "
                "model's own limit. After that the answer is 504.",
            }
        },
    )


def _responses(
    said: Documentation, examples: Sequence[Example], name: str, components: _Components
) -> Json:
    responses: Json = {}
    for status, answer in said.answers.items():
        responses[str(status)] = {"description": answer.description}
        if answer.headers:
            headers = {key: {"schema": schema} for key, schema in answer.headers.items()}
            responses[str(status)]["headers"] = headers
        if answer.schema is not None:
            schema = components.add(f"{name}_{status}", answer.schema)
            content: Json = {"application/json": {"schema": schema}}
            if examples and status == 200:
                content["application/json"]["examples"] = _numbered(
                    example.response for example in examples
                )
            responses[str(status)]["content"] = content
    for status in said.errors:
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        responses[str(status)] = {"description": _ERRORS[status], "content": content}
        if status in (TooManyJobs.status, Unavailable.status):
            seconds = {
                "schema": {"type": "integer"},
                "description": "Seconds, after which to retry",
            }
            responses[str(status)]["headers"] = {"Retry-After": seconds}
    return responses


def _request_content(
    schema: Json, examples: Sequence[Example], name: str, components: _Components
) -> Json:
    content: Json = {"application/json": {"schema": components.add(f"{name}_body", schema)}}
    if examples:
        content["application/json"]["examples"] = _numbered(example.request for example in examples)
    if files := FileFields(schema).binary():
        form = {**schema, "properties": {**schema["properties"], **files}}
        content["multipart/form-data"] = {"schema": components.add(f"{name}_form", form)}
    return content


def _numbered(values: Iterable[Any]) -> Json:
    return {f"example {number}": {"value": value} for number, value in enumerate(values, 1)}
