"""The request: its id, its JSON, and the line it leaves in the log."""

import logging
import re
import time
import uuid
from functools import cached_property
from typing import Any, NoReturn, cast
from urllib.parse import quote

import flask
from flask import Request, Response
from werkzeug.exceptions import RequestEntityTooLarge

from model_serving.errors import InvalidBody, NoJSONObject

REQUEST_ID_HEADER = "X-Request-ID"
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)


class ServiceRequest(Request):
    """A Flask request that carries an id and whose JSON errors are the service's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.started_s = time.monotonic()
        self.form_as_json: dict[str, Any] | None = None

    @cached_property
    def id(self) -> str:
        """The caller's id where it is sane (it goes into the log and back), else a new one."""
        sent = self.headers.get(REQUEST_ID_HEADER, "")
        return sent if _SANE_ID.fullmatch(sent) else uuid.uuid4().hex

    @property
    def log(self) -> logging.Logger:
        """The log of whoever answers: the model, or one of the service's own operations."""
        return logging.getLogger(self.endpoint or "service")

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the JSON body, or what a multipart form stands for once it has been read."""
        if self.form_as_json is not None:
            return self.form_as_json
        self._refuse_cut_body()
        return super().get_json(force=force, silent=silent, cache=cache)

    def _refuse_cut_body(self) -> None:
        """Raise 413 where a chunked body goes on beyond the limit; werkzeug just stops reading."""
        is_at_limit = (
            self.content_length is None and len(self.get_data()) == self.max_content_length
        )
        if is_at_limit and self.environ["wsgi.input"].read(1):
            raise RequestEntityTooLarge

    def on_json_loading_failed(self, e: ValueError | None) -> NoReturn:
        """Answer 400; ``e`` is None where the body is not declared as JSON."""
        if e is None or not self.get_data():
            raise NoJSONObject
        raise InvalidBody(f"The body is not valid JSON: {e}")


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
