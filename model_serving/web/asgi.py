"""The ASGI application: the direct lane, and the Flask app for everything else.

``Front`` answers ``POST /v1/<ModelName>`` with a JSON body on the event loop. Other routes and
methods, forms, calls from other origins, and resources with a ``post`` of their own go to Flask in
a thread. The body is read before, so that a slow caller holds no thread.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import IO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask

from model_serving.serving.runtime import Runtime
from model_serving.web.direct import Fields, PlainModel, plain_models
from model_serving.web.model_resource import ModelResource
from model_serving.web.request import PROXIES, WholeBody
from model_serving.web.spool import Spool
from model_serving.web.uploads import FILE_LIMITS
from model_serving.web.wsgi_bridge import Message, Scope, Send, WSGIBridge, environ_of

Receive = Callable[[], Awaitable[Message]]


@dataclass
class _Body:
    """What has come of a request's body; it may be large, so that it is held here alone."""

    data: bytes
    is_whole: bool
    spool: Spool | None = None  # Holds it instead, if it may be very large.

    @property
    def size_bytes(self) -> int:
        """How much has come."""
        return len(self.data) if self.spool is None else self.spool.size_bytes

    def opened(self) -> IO[bytes]:
        """Return the body as a file, once; it is held here no more."""
        if self.spool is not None:
            return self.spool.opened()
        data, self.data = self.data, b""
        return WholeBody(data) if self.is_whole else io.BytesIO(data)


class Front:
    """Answers plain predictions, and gives everything else to the Flask app."""

    def __init__(
        self,
        app: Flask,
        runtime: Runtime,
        resources: Iterable[ModelResource],
        max_content_length: int,
        threads: int,
    ) -> None:
        """Give the app at most so many threads."""
        self._app = app
        self._runtime = runtime
        self._after = {name: list(them) for name, them in app.after_request_funcs.items()}
        self._max_content_length = max_content_length
        self._flask = WSGIBridge(_with_body(app), threads)
        self._models = plain_models(resources, app.config[FILE_LIMITS], app.config[PROXIES])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await receive()
            await self.open()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

    async def open(self) -> None:
        """Get ready on the running event loop; the app is set up by now."""
        # What somebody has the app do around each request (ask for a key) is not passed by.
        if (
            self._app.before_request_funcs
            or self._app.after_request_funcs != self._after
            or "wsgi_app" in vars(self._app)  # It is wrapped in middleware.
        ):
            self._models = {}
        await self._runtime.open()

    def model_for(self, method: str, path: str, fields: Fields) -> PlainModel | None:
        """Return the model that a request asks, if it is a plain prediction."""
        model = self._models.get(path)
        return model if model is not None and model.takes(method, fields) else None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        fields = dict(scope["headers"])
        may_be_job = scope["path"].endswith("/jobs") or b"prefer" in fields
        body = await self._read(fields, receive, is_file=may_be_job)
        reply = None
        if body.is_whole and len(fields) == len(scope["headers"]):
            model = self.model_for(scope["method"], scope["path"], fields)
            peer, _ = scope["client"] or ("-", 0)
            reply = None if model is None else await model.reply(fields, body.data, peer)
        if reply is None:
            await self._hand_over(scope, body, send)
            return
        start = {"type": "http.response.start", "status": reply.status, "headers": reply.headers}
        await send(start)
        await send({"type": "http.response.body", "body": reply.body})

    async def _read(self, fields: Fields, receive: Receive, is_file: bool) -> _Body:
        """Read the body, unless it is too long."""
        if int(fields.get(b"content-length", 0)) > self._max_content_length:
            return _Body(b"", False)
        parts: list[bytes] | Spool = Spool() if is_file else []
        size, more = 0, True
        while more and size <= self._max_content_length:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            more = message.get("more_body", False)
        is_whole = not more and size <= self._max_content_length
        if isinstance(parts, Spool):
            return _Body(b"", is_whole, parts)
        return _Body(parts[0] if len(parts) == 1 else b"".join(parts), is_whole)

    async def _hand_over(self, scope: Scope, body: _Body, send: Send) -> None:
        """Let the app answer; where the caller leaves, it goes on to its end nevertheless."""
        fields = [field for field in scope["headers"] if field[0] != b"transfer-encoding"]
        if len(fields) < len(scope["headers"]):  # If it broke off, it lacks a byte, at least.
            length = body.size_bytes + (not body.is_whole)
            fields.append((b"content-length", b"%d" % length))
        left = asyncio.Event()
        environ = environ_of(scope | {"headers": fields})
        environ |= {"service.body": body, "service.leave": left.wait}
        try:
            await self._flask.answer(environ, send)
        finally:
            left.set()


def _with_body(app: Flask) -> WSGIApplication:
    """Return the app, reading the body that has been read before."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with environ.pop("service.body").opened() as body:
            environ["wsgi.input"] = body
            return app(environ, start_response)

    return answer
