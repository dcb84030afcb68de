"""The service's own operations: is it alive, is it ready, what does it serve."""

from collections.abc import Sequence
from typing import Any

from flask import Response, redirect, request, url_for
from flask_restful import Resource
from prometheus_client.registry import Collector

from model_serving.jobs.report import Reports
from model_serving.metrics import CONTENT_TYPE, exposition
from model_serving.serving.runtime import Runtime
from model_serving.web.documentation import Answer, Documentation, documented
from model_serving.web.json import output_json
from model_serving.web.model_resource import summary

_MODELS = {
    "type": "object",
    "properties": {
        "models": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "url": {"type": "string"},
                    "description": {"type": "string"},
                    "version": {"type": "string"},
                    "state": {"enum": ["ready", "loading", "failed"]},
                    "jobs": {"type": "string", "description": "Where to hand in jobs"},
                },
                "required": ["name", "url", "description"],
            },
        }
    },
    "required": ["models"],
}
_STATUS = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
_READINESS = {
    "type": "object",
    "properties": {
        "status": {"type": "string"},
        "jobs": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["status"],
}


class Health(Resource):
    """Whether the process answers at all."""

    @documented(Documentation("Is the service alive?", {200: Answer("It is", _STATUS)}))
    def get(self) -> Any:
        """Answer."""
        return {"status": "alive"}


class Readiness(Resource):
    """Whether every model answers; jobs are told of, but the models serve without them."""

    def __init__(self, runtime: Runtime, reports: Reports | None) -> None:
        self.runtime = runtime
        self.reports = reports

    @documented(
        Documentation(
            "Is every model ready?",
            {200: Answer("All are ready; what is away of jobs is named", _READINESS)},
            errors=(500, 503),
        )
    )
    def get(self) -> Any:
        """Answer 200, or 503 with the models that are not ready and the reasons."""
        jobs = {"jobs": self.reports.states()} if self.reports else {}
        states = self.runtime.states()
        reasons = [
            f"{name}: {state.reason or state.state}"
            for name, state in states.items()
            if not state.ready
        ]
        if not reasons:
            return {"status": "ready"} | jobs
        told = {name: state.state for name, state in states.items()}
        return {"message": "; ".join(reasons), "models": told} | jobs, 503


class Metrics(Resource):
    """What the service and its models do, in figures."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self.collectors = collectors

    @documented(Documentation("Metrics for Prometheus", {200: Answer("In its text format")}))
    def get(self) -> Any:
        """Add up the metrics of all processes."""
        return Response(exposition(self.collectors), content_type=CONTENT_TYPE)


class Models(Resource):
    """The list of what is served."""

    def __init__(self, resources: Sequence[type[Resource]], runtime: Runtime) -> None:
        self.resources = resources
        self.runtime = runtime

    @documented(Documentation("List the models", {200: Answer("The models", _MODELS)}))
    def get(self) -> Any:
        """Return a summary of each model."""
        states = self.runtime.states()
        return {"models": [summary(resource, states) for resource in self.resources]}


class Root(Models):
    """The front door: a browser is led to the documentation, a program gets the list of models."""

    @documented(
        Documentation(
            "List the models",
            {
                200: Answer("The models", _MODELS),
                302: Answer("To the documentation, for a browser"),
            },
        )
    )
    def get(self) -> Any:
        """Redirect, or return a summary of each model."""
        accepted = request.accept_mimetypes.best_match(["application/json", "text/html"])
        leads_on = accepted == "text/html"
        docs = redirect(url_for("swagger_ui.show"))
        answer = docs if leads_on else output_json(super().get(), 200)
        answer.headers["Vary"] = "Accept"
        return answer
