"""The request: its id, its JSON, and the line it leaves in the log."""

import io
import logging
import time
from functools import cached_property, partial
from typing import IO, Any, NoReturn, cast
from urllib.parse import quote

import flask
from flask import Request, Response
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from model_serving.caller import until_gone
from model_serving.errors import InvalidBody, NoJSONObject
from model_serving.files import storing
from model_serving.headers import REQUEST_ID_HEADER, common_headers, request_id
from model_serving.json_text import not_json
from model_serving.log import request_line
from model_serving.proxies import FORWARDED_FOR_HEADER, Proxies
from model_serving.serving.runtime import Leave
from model_serving.web.response import TIMEOUT_HEADER, record_prediction, timeout_s

PROXIES = "PROXIES"  # in the app's configuration


class ServiceRequest(Request):
    """A Flask request that carries an id and whose JSON errors are the service's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.started_s = time.monotonic()
        self._replacement: Any = ...  # None is a JSON value.

    @cached_property
    def id(self) -> str:
        """The caller's id, or a new one."""
        return request_id(self.headers.get(REQUEST_ID_HEADER))

    @property
    def client(self) -> str:
        """The address of who called, as far as the proxies that we trust tell it."""
        proxies: Proxies = flask.current_app.config[PROXIES]
        return proxies.client(self.remote_addr or "-", self.headers.get(FORWARDED_FOR_HEADER))

    @property
    def timeout_s(self) -> float | None:
        """How long the caller waits for an answer, if it says so.

        Raises:
            BadRequest: it says something that is no time.
        """
        return timeout_s(self.headers.get(TIMEOUT_HEADER))

    @property
    def leave(self) -> Leave | None:
        """What waits until the caller leaves, where the server lets us know."""
        if connection := self.environ.get("gunicorn.socket"):
            return partial(until_gone, connection, self.environ["SERVER_PROTOCOL"] != "HTTP/1.0")
        leave: Leave | None = self.environ.get("service.leave")
        return leave

    @property
    def is_prediction(self) -> bool:
        """Whether a model is asked; to hand in a job is not to ask it."""
        rule = self.url_rule.rule if self.url_rule else ""
        return self.method == "POST" and rule.startswith("/v1/") and not rule.endswith("/jobs")

    @property
    def log(self) -> logging.Logger:
        """The log of whoever answers: the model, or the service itself."""
        return logging.getLogger((self.endpoint or "service").partition("-")[0])

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body as it arrives, which comes whole or raises."""
        if isinstance(source := self.environ["wsgi.input"], WholeBody):
            return source
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
        # They may be large.
        self._cached_data, self._cached_json = b"", (..., ...)

    def make_form_data_parser(self) -> FormDataParser:
        """Let a form that breaks off be an error, and not what has come of it."""
        parser = super().make_form_data_parser()
        parser.silent = False
        return parser

    def _load_form_data(self) -> None:
        try:
            with storing():  # Large parts are on the disk meanwhile.
                super()._load_form_data()
        except ValueError:
            raise InvalidBody("The form cannot be read: it has no boundary, or no end") from None

    def on_json_loading_failed(self, e: ValueError | None) -> NoReturn:
        """Answer 400; ``e`` is None where the body is not declared as JSON."""
        if e is None or not self.get_data():
            raise NoJSONObject
        raise not_json(e)


class WholeBody(io.BytesIO):
    """A body that was read before; it is let go where it has been read once more."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._size_bytes = len(data)

    def read(self, size: int | None = -1) -> bytes:
        """Read as from any file."""
        data = super().read(size)
        if self.tell() >= self._size_bytes:
            self.truncate(0)
        return data


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
    response.headers.update(common_headers(request.id))
    status, taken_s = response.status_code, time.monotonic() - request.started_s
    if request.is_prediction:
        record_prediction(request.log.name, status, taken_s)
    request.log.info(
        # A path may hold a line break.
        request_line(
            request.method, quote(request.path), status, taken_s, request.client, request.id
        )
    )
    return response
