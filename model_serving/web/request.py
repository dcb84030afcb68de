"""The request: its id, its JSON, and the line it leaves in the log."""

import io
import logging
import re
import time
import uuid
from functools import cached_property
from typing import IO, Any, NoReturn, cast
from urllib.parse import quote

import flask
from flask import Request, Response
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from model_serving.errors import InvalidBody, NoJSONObject

REQUEST_ID_HEADER = "X-Request-ID"
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)


class ServiceRequest(Request):
    """A Flask request that carries an id and whose JSON errors are the service's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.started_s = time.monotonic()
        self._replacement: Any = ...  # None is a JSON value.

    @cached_property
    def id(self) -> str:
        """The caller's id where it is sane (it goes into the log and back), else a new one."""
        sent = self.headers.get(REQUEST_ID_HEADER, "")
        return sent if _SANE_ID.fullmatch(sent) else uuid.uuid4().hex

    @property
    def log(self) -> logging.Logger:
        """The log of whoever answers: the model, or the service itself."""
        return logging.getLogger((self.endpoint or "service").partition("-")[0])

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body as it arrives, which comes whole or raises."""
        if self.content_length is not None:
            # Werkzeug counts the bytes unless the server says that it ends the body by itself.
            self.environ.pop("wsgi.input_terminated", None)
        elif limit := self.max_content_length:
            self.max_content_length = limit + 1  # The stream below stops at the limit.
            self.environ["wsgi.input"] = _ChunkedBody(self.environ["wsgi.input"], limit)
        return super().stream

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the JSON body, or what has taken its place."""
        if self._replacement is not ...:
            return self._replacement
        return super().get_json(force=force, silent=silent, cache=cache)

    def replace_json(self, body: Any) -> None:
        """Let the request's JSON be ``body``: what a form stands for, or with files as bytes."""
        self._replacement = body

    def on_json_loading_failed(self, e: ValueError | None) -> NoReturn:
        """Answer 400; ``e`` is None where the body is not declared as JSON."""
        if e is None or not self.get_data():
            raise NoJSONObject
        raise InvalidBody(f"The body is not valid JSON: {e}")


class _ChunkedBody(io.RawIOBase):
    """A body of unknown length: too long a one, and one that breaks off, raise.

    Werkzeug would cut the one at the limit, and pass on the server's own errors for the other.
    """

    def __init__(self, source: IO[bytes], limit_bytes: int) -> None:
        self._source = source
        self._left_bytes = limit_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._source.read(len(buffer))
        except Exception as error:  # Each server has its own.
            raise ClientDisconnected from error
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise RequestEntityTooLarge
        buffer[: len(data)] = data
        return len(data)


def current_request() -> ServiceRequest:
    """Return the request being handled."""
    return cast(ServiceRequest, flask.request)


def finish(response: Response) -> Response:
    """Give a response its common headers, and write its line into the log."""
    request = current_request()
    response.headers[REQUEST_ID_HEADER] = request.id
    response.headers["X-Content-Type-Options"] = "nosniff"
    request.log.info(
        "%s %s %d in %.1f ms (request %s)",
        request.method,
        quote(request.path),  # It may hold a line break.
        response.status_code,
        (time.monotonic() - request.started_s) * 1000,
        request.id,
    )
    return response
