"""The catalogue: the program that tells the supervisor what is to be served.

``python -m model_serving.catalogue <channel> [check]``. With ``check`` it loads the service as
gunicorn would, so that a version that cannot be served is refused before it replaces anything. Then
it checks, for the first replica of each model, what that predicts for its resource's examples.
"""

import contextlib
import io
import logging
import socket
import sys
from typing import Any

import orjson
from gunicorn.app.wsgiapp import WSGIApplication

from model_serving.app import models_in_processes
from model_serving.config import load_config
from model_serving.errors import ConfigError, DeclarationError
from model_serving.log import configure_logging
from model_serving.serving import InProcessRuntime, ModelSpecification
from model_serving.serving.agreement import difference
from model_serving.serving.connection import READ_BYTES
from model_serving.serving.plan import Check, Contents, ModelPlan, Verdict
from model_serving.serving.wire import FrameReader, encode
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


def main(channel_fd: str, command: str = "") -> None:
    """Tell what is to be served, then judge predictions for as long as the supervisor asks."""
    with socket.socket(fileno=int(channel_fd)) as channel:
        try:
            configure_logging(load_config())
            if command == "check":
                check_service()
            entries = take_stock()
            plans = [entry.plan for entry in entries.values()]
            message = encode(Contents(plans, load_config().start_timeout_s))
        except Exception as error:
            logging.getLogger("catalogue").exception("the service cannot be loaded")
            says_all = isinstance(error, ConfigError | DeclarationError)
            text = str(error) if says_all else f"{type(error).__name__}: {error}"
            channel.sendall(encode(Contents(error=text)))
            sys.exit(1)
        channel.sendall(message)
        judge(channel, entries)


def judge(channel: socket.socket, entries: dict[str, Entry]) -> None:
    """Answer the supervisor's checks until it hangs up."""
    reader: FrameReader[Check] = FrameReader(Check)
    while data := channel.recv(READ_BYTES):
        for check in reader.feed(data):
            try:
                error = entries[check.name].fault_of(check.predictions)
            except Exception as failure:
                logging.getLogger(check.name).exception("an example cannot be answered")
                error = f"an example cannot be answered: {type(failure).__name__}: {failure}"
            channel.sendall(encode(Verdict(error)))


if __name__ == "__main__":
    main(*sys.argv[1:])
