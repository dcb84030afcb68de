"""The two lanes in this process: the Flask app, called by WSGI, and the front, called by ASGI."""

import asyncio
import http
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from flask.testing import FlaskClient
from werkzeug.datastructures import EnvironHeaders
from werkzeug.test import create_environ, run_wsgi_app

from model_serving.web.asgi import Front

Environ = dict[str, Any]
ID = "abc-1"


class FrontLane:
    """Calls a front as a server does, for a request that is written down as WSGI has it."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.app = front._app
        self.part_bytes = 65_536  # of a body at a time
        self._runner = asyncio.Runner()
        self._is_open = False

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer, as a WSGI application would."""
        self.open()
        start, *parts = self._runner.run(self._call(environ))
        assert [part["type"] for part in parts] == ["http.response.body"] * len(parts)
        assert not parts[-1].get("more_body")
        phrase = http.HTTPStatus(start["status"]).phrase if start["status"] != 499 else "Left"
        headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
        start_response(f"{start['status']} {phrase}", headers)
        return [part["body"] for part in parts]

    def open(self) -> None:
        """Set the front up, if that has not been done; the app must be by now."""
        if not self._is_open:
            self._is_open = True
            self._runner.run(self.front.open())

    def close(self) -> None:
        """End the loop."""
        self._runner.close()

    async def _call(self, environ: Environ) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        body, is_whole = body_of(environ)
        cuts = range(0, max(1, len(body)), self.part_bytes)
        parts = [body[cut : cut + self.part_bytes] for cut in cuts]
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        messages[-1]["more_body"] = not is_whole

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.front(scope_of(environ), receive, send)
        return sent


def body_of(environ: Environ) -> tuple[bytes, bool]:
    """Return what a server reads of a body, and whether that is all of it."""
    stream = environ["wsgi.input"]
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return stream.getvalue(), not isinstance(stream, BrokenOff)
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = stream.read(length)
    return body, len(body) == length


class BrokenOff(io.BytesIO):
    """A chunked body that ends too early."""

    def read(self, size: int | None = -1) -> bytes:
        """Read, or raise at the end."""
        if data := super().read(size):
            return data
        raise OSError("the client has gone")


def scope_of(environ: Environ) -> dict[str, Any]:
    """Return what ASGI says of a request; a list stands for a header that is sent several times."""
    headers = [
        (name.lower().encode("latin-1"), one.encode("latin-1"))
        for name, value in EnvironHeaders(environ)
        for one in (value if isinstance(value, list) else [value])
    ]
    path = environ["PATH_INFO"].encode("latin-1")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": "http",
        "path": path.decode("utf-8", errors="replace"),
        "raw_path": path,
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "root_path": "",
        "headers": headers,
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 40_000),
    }


class FrontClient(FlaskClient):
    """Flask's client of the tests, whose requests go through the front."""

    def __init__(self, lane: FrontLane) -> None:
        super().__init__(lane.app, lane.app.response_class)
        self._lane = lane

    def run_wsgi_app(self, environ: Environ, buffered: bool = False) -> Any:
        """Ask the front."""
        return run_wsgi_app(cast(Any, self._lane), environ, buffered)


@dataclass(frozen=True)
class Told:
    """What matters of a response: all of it."""

    status: int
    headers: dict[str, str]
    body: bytes


def environ_of(path: str, body: bytes = b"", method: str = "POST", **changes: Any) -> Environ:
    """Return a WSGI environment, of a JSON body if it is not changed; None takes a key away."""
    environ = create_environ(path, method=method, input_stream=io.BytesIO(body))
    environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
    environ |= {"HTTP_X_REQUEST_ID": ID, "REMOTE_ADDR": "127.0.0.1"} | changes
    return {key: value for key, value in environ.items() if value is not None}


def answer(wsgi: Any, environ: Environ) -> Told:
    """Ask, with a copy of the environment."""
    stream = environ["wsgi.input"]
    fresh = environ | {"wsgi.input": type(stream)(stream.getvalue())}
    chunks, status, headers = run_wsgi_app(wsgi, fresh, buffered=True)
    told = {name.lower(): ", ".join(headers.getlist(name)) for name, _ in headers}
    return Told(int(status.split()[0]), told, b"".join(chunks))


def joined(environ: Environ) -> Environ:
    """Return the environment as WSGI has it: with one value for a header sent several times."""
    return {
        key: ",".join(value) if isinstance(value, list) else value for key, value in environ.items()
    }


def both_answer(lane: FrontLane, environ: Environ) -> Told:
    """Ask the front and the app; return the answer, which is the same."""
    direct, behind = answer(lane, environ), answer(lane.app, joined(environ))
    assert direct == behind
    return direct


def is_passed_on(lane: FrontLane, environ: Environ) -> bool:
    """Say whether the front gives a request to the app."""
    lane.open()
    asked, app = list[Environ](), lane.app.wsgi_app

    def listening(environ: Environ, start_response: Any) -> Iterable[bytes]:
        asked.append(environ)
        return app(environ, start_response)

    lane.app.wsgi_app = listening  # type: ignore[method-assign]
    try:
        answer(lane, environ)
    finally:
        lane.app.wsgi_app = app  # type: ignore[method-assign]
    return bool(asked)
