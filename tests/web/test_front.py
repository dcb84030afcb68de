"""The front as an ASGI application: its life, and callers that leave."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask_restful import Resource

from model_serving import metrics
from model_serving.app import create_front
from model_serving.config import Config
from model_serving.serving import Model
from model_serving.web import Example, ModelResource
from model_serving.web.asgi import Front
from model_serving.web.request import current_request
from tests.lanes import ID, environ_of, scope_of
from tests.loops import PATIENCE_S, in_loop, until


class PatientModel(Model):
    """Wait until it is told to go on."""

    entered = threading.Event()
    go_on = threading.Event()

    def predict(self, instances: list[Any]) -> list[Any]:
        self.entered.set()
        self.go_on.wait(PATIENCE_S)
        return instances


class PatientModelResource(ModelResource):
    model = PatientModel
    schema: ClassVar[dict[str, Any]] = {}
    response_schema: ClassVar[dict[str, Any]] = {}
    examples = (Example(1, {"result": 1}),)


class WatchResource(Resource):
    """Answer once the caller has left."""

    entered = threading.Event()
    loop: asyncio.AbstractEventLoop

    def post(self) -> Any:
        self.entered.set()
        leave = current_request().leave
        assert leave is not None
        asyncio.run_coroutine_threadsafe(leave(), self.loop).result(PATIENCE_S)  # type: ignore[arg-type]
        return {"left": True}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    for event in (PatientModel.entered, PatientModel.go_on, WatchResource.entered):
        event.clear()
    yield create_front(Config(threads=2), [PatientModelResource, WatchResource], tmp_path)
    PatientModel.go_on.set()


class Caller:
    """Sends one request, and keeps what it is answered."""

    def __init__(self, front: Front, path: str, body: bytes = b"1", **changes: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self._body = body
        scope = scope_of(environ_of(path, body, **changes))
        self.task = asyncio.ensure_future(front(scope, self._receive, self._send))

    async def leave(self) -> None:
        """Break off, as a server does that notices it."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": self._body}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


@in_loop
async def test_front_notes_a_caller_that_leaves(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    left = metrics.REQUESTS.labels("PatientModel", "499")._value
    before = left.get()
    caplog.set_level(logging.INFO)
    await front.open()
    caller = Caller(front, "/v1/PatientModel")
    await asyncio.to_thread(PatientModel.entered.wait, PATIENCE_S)
    await caller.leave()
    assert caller.task.cancelled()
    assert (caller.sent, left.get()) == ([], before + 1)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("POST /v1/PatientModel 499 in ")
    assert line.endswith(f"(request {ID})")


@in_loop
async def test_front_tells_the_app_that_the_caller_leaves_and_lets_it_end(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    WatchResource.loop = asyncio.get_running_loop()
    caplog.set_level(logging.INFO)
    await front.open()
    caller = Caller(front, "/v1/Watch")
    await asyncio.to_thread(WatchResource.entered.wait, PATIENCE_S)
    await caller.leave()
    await until(lambda: "POST /v1/Watch 200 in " in caplog.text)


@in_loop
async def test_front_answers_predictions_while_all_threads_are_held(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    PatientModel.go_on.set()
    caplog.set_level(logging.INFO)
    WatchResource.loop = asyncio.get_running_loop()
    await front.open()
    held = [Caller(front, "/v1/Watch") for _ in range(5)]
    await asyncio.to_thread(WatchResource.entered.wait, PATIENCE_S)
    direct = Caller(front, "/v1/PatientModel")
    await direct.task
    assert [message["type"] for message in direct.sent] == [
        "http.response.start",
        "http.response.body",
    ]
    assert direct.sent[1]["body"] == b'{"result":1}\n'
    for caller in held:
        await caller.leave()
    await until(lambda: caplog.text.count("POST /v1/Watch 200 in ") == len(held))


@in_loop
async def test_front_lives_as_asgi_says(front: Front) -> None:
    messages = asyncio.Queue[dict[str, Any]]()
    sent = asyncio.Queue[dict[str, Any]]()
    life = asyncio.ensure_future(front({"type": "lifespan"}, messages.get, sent.put))
    messages.put_nowait({"type": "lifespan.startup"})
    assert await sent.get() == {"type": "lifespan.startup.complete"}
    PatientModel.go_on.set()
    caller = Caller(front, "/v1/PatientModel")
    await caller.task
    assert caller.sent[0]["status"] == 200
    messages.put_nowait({"type": "lifespan.shutdown"})
    await life
    assert sent.get_nowait() == {"type": "lifespan.shutdown.complete"}
