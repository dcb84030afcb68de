"""What the resources declare, as the supervisor needs it."""

import contextlib
import io
import sys
from typing import Any

import orjson
from gunicorn.app.wsgiapp import WSGIApplication

from model_serving.config import load_config
from model_serving.errors import ConfigError
from model_serving.served import models_in_processes
from model_serving.serving import ModelSpecification
from model_serving.serving.agreement import difference
from model_serving.serving.plan import ModelPlan
from model_serving.serving.runtime import InProcessRuntime
from model_serving.web import ModelResource
from model_serving.web.uploads import FileFields


class Entry:
    """A model's declaration: what its examples ask, and what they expect."""

    def __init__(self, specification: ModelSpecification, resource: type[ModelResource]) -> None:
        self._examples = resource.examples
        self._resource = resource(InProcessRuntime([]))
        files = FileFields(resource.schema)
        self.plan = ModelPlan(
            name=specification.name,
            target=specification.target,
            conf=specification.conf,
            instances=[
                self._resource.to_instance(files.decode(example.request))
                for example in self._examples
            ],
        )

    def fault_of(self, predictions: list[Any]) -> str | None:
        """Say which example is not answered as declared."""
        for example, prediction in zip(self._examples, predictions, strict=True):
            answer = orjson.loads(orjson.dumps(self._resource.to_response(prediction)))
            if wrong := difference(example.response, answer):
                request = repr(example.request)
                shown = request if len(request) <= 100 else f"{request[:100]}..."
                return f"the example {shown} is not answered as declared: {wrong}"
        return None


def take_stock() -> dict[str, Entry]:
    """Return the models that run in processes of their own.

    Raises:
        ConfigError, DeclarationError: what they declare is wrong.
    """
    return {
        specification.name: Entry(specification, resource)
        for specification, resource in models_in_processes(load_config())
    }


def check_service() -> None:
    """Load the service as gunicorn would.

    Raises:
        Exception: it cannot be loaded.
    """
    printed = io.StringIO()
    sys.argv = ["gunicorn", "--config", "conf/gunicorn.conf.py", "main:app"]
    try:
        # gunicorn prints what is wrong with its settings, and exits.
        with contextlib.redirect_stderr(printed):
            service = WSGIApplication()
    except SystemExit:
        raise ConfigError(printed.getvalue().strip().rpartition("\n")[2]) from None
    models = service.load().test_client().get("/v1").json["models"]
    outside = {specification.name for specification, _ in models_in_processes(load_config())}
    failed = [model["name"] for model in models if model.get("state") == "failed"]
    if failed := [name for name in failed if name not in outside]:
        raise ConfigError(f"{', '.join(failed)} cannot be loaded; the log says why")
