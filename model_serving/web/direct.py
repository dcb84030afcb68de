"""The direct lane: the plain prediction, from the bytes of its body to the bytes of its answer."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException

from model_serving.errors import CallerLeft, NoJSONObject
from model_serving.headers import REQUEST_ID_HEADER, common_headers, request_id
from model_serving.json_text import json_bytes, not_json
from model_serving.log import RequestLog, request_line
from model_serving.proxies import FORWARDED_FOR_HEADER, Proxies
from model_serving.web.model_resource import (
    ModelResource,
    is_declared,
    served_name,
    served_url,
)
from model_serving.web.response import TIMEOUT_HEADER, error_response, record_prediction, timeout_s
from model_serving.web.uploads import FileFields, Limits
from model_serving.web.validation import BodyValidator

Fields = Mapping[bytes, bytes]  # A request's headers, their names in lower case.

# Longer base64 would hold the event loop while it is decoded; a thread of Flask's can do that.
_MOST_WITH_FILES = 1024 * 1024

_ID, _TIMEOUT, _FORWARDED_FOR = (
    name.lower().encode() for name in (REQUEST_ID_HEADER, TIMEOUT_HEADER, FORWARDED_FOR_HEADER)
)
_JSON = {b"application/json"} | {
    b"application/json;%bcharset=%b" % (blank, charset)
    for blank in (b"", b" ")
    for charset in (b"utf-8", b"UTF-8")
}


class NotPlain(Exception):
    """Flask knows how to answer this."""


class Reply(NamedTuple):
    """A whole response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class PlainModel:
    """A model's endpoint as its declaration makes it."""

    def __init__(self, resource: ModelResource, limits: Limits, proxies: Proxies) -> None:
        self.name = served_name(type(resource))
        self.path = served_url(type(resource))
        self._log = logging.getLogger(self.name)
        self._requests = RequestLog(self._log)
        self._resource = resource
        self._validator = BodyValidator(resource.schema, self.name)
        self._files = FileFields(resource.schema, self.name)
        self._limits = limits
        self._proxies = proxies
        self._is_plain = True

    def takes(self, method: str, fields: Fields) -> bool:
        """Say whether a request is a plain prediction."""
        return (
            method == "POST"
            and fields.get(b"content-type") in _JSON
            and b"origin" not in fields  # CORS is Flask's,
            and b"upgrade" not in fields  # and so are WebSockets, which it refuses,
            and b"prefer" not in fields  # and jobs.
        )

    async def reply(self, fields: Fields, body: bytes, peer: str) -> Reply | None:
        """Return the answer to a plain prediction; None: Flask has to answer.

        ``peer`` is the address at the other end of the connection.
        """
        if not self._is_plain or (self._files.names and len(body) > _MOST_WITH_FILES):
            return None
        started_s = time.monotonic()
        id_ = request_id(_text(fields.get(_ID)))
        client = self._proxies.client(peer, _text(fields.get(_FORWARDED_FOR)))
        status, headers = 200, common_headers(id_)
        try:
            answer = await self._answer(body, _text(fields.get(_TIMEOUT)))
        except NotPlain:
            return None
        except asyncio.CancelledError:
            self._note(CallerLeft.status, time.monotonic() - started_s, client, id_)
            raise
        except Exception as error:
            told, status, more = error_response(error, id_, self._log)
            answer, headers = json_bytes(told), headers | more
        self._note(status, time.monotonic() - started_s, client, id_)
        return Reply(
            status,
            [
                (b"Content-Type", b"application/json"),
                (b"Content-Length", b"%d" % len(answer)),
                *((name.encode(), value.encode()) for name, value in headers.items()),
            ],
            answer,
        )

    async def _answer(self, data: bytes, timeout_ms: str | None) -> bytes:
        body = _parsed(data)
        self._validator.check(self._files.blank(body))
        body = self._files.decode(body, self._limits)
        try:
            instance = self._resource.to_instance(body)
        except Exception:  # It may need Flask's request.
            raise NotPlain from None
        ask = self._resource.runtime.ask
        prediction = await ask(self.name, instance, timeout_s(timeout_ms))
        try:
            response = self._resource.to_response(prediction)
        except (HTTPException, RuntimeError):  # It may need Flask's context.
            response = None, 500
        if isinstance(response, tuple | Response):
            self._is_plain = False  # Else each instance would be predicted twice.
            raise NotPlain
        return json_bytes(response)

    def _note(self, status: int, taken_s: float, client: str, id_: str) -> None:
        record_prediction(self.name, status, taken_s)
        self._requests.write(request_line("POST", self.path, status, taken_s, client, id_))


def plain_models(
    resources: Iterable[ModelResource], limits: Limits, proxies: Proxies
) -> dict[str, PlainModel]:
    """Return those of the resources, by path, that answer a POST as the base class does."""
    models = [
        PlainModel(resource, limits, proxies)
        for resource in resources
        if is_declared(type(resource))
    ]
    return {model.path: model for model in models}


def _parsed(data: bytes) -> Any:
    if not data:
        raise NoJSONObject
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise not_json(error) from None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
