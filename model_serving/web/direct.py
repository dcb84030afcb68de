"""The direct lane: the plain prediction, from the bytes of its body to the bytes of its answer.

It stands before the Flask app as WSGI middleware, and answers ``POST /v1/<ModelName>`` with a body
of right JSON in a fraction of the app's time. Everything else goes on to the app as it came: other
routes and methods, forms, calls from other origins, resources with a ``post`` of their own, and
whatever is wrong in any way, so that what is wrong with a request is said in one place.
"""

import io
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from model_serving.web.json import json_bytes
from model_serving.web.model_resource import ModelResource, served_name, served_url
from model_serving.web.response import (
    common_headers,
    error_response,
    log_request,
    record_prediction,
    request_id,
    timeout_s,
)
from model_serving.web.uploads import FileFields
from model_serving.web.validation import BodyValidator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# What a resource may override that the lane would pass by.
_OWN = ("post", "answer", "dispatch_request", "method_decorators", "decorators", "representations")


class NotPlain(Exception):
    """A response that carries a status or headers of its own; Flask knows how to answer it."""


class PlainModel:
    """A model's endpoint as its declaration makes it."""

    def __init__(self, resource: ModelResource) -> None:
        self.name = served_name(type(resource))
        self.log = logging.getLogger(self.name)
        self._resource = resource
        self._validator = BodyValidator(resource.schema, self.name)
        self._files = FileFields(resource.schema, self.name)

    def instance_of(self, data: bytes, size_bytes: int) -> Any:
        """Make the instance of a request's body.

        Raises:
            Exception: the body is not right, or not whole.
        """
        if len(data) != size_bytes:
            raise EOFError
        body = orjson.loads(data)
        self._validator.check(body)
        return self._resource.to_instance(self._files.decode(body))

    def predict(self, instance: Any, environ: "WSGIEnvironment") -> bytes:
        """Return the body of the response.

        Raises:
            NotPlain: the response is more than a body.
            Exception: there is no response.
        """
        connection = environ.get("gunicorn.socket")
        prediction = self._resource.runtime.predict(
            self.name,
            instance,
            timeout_s(environ.get("HTTP_X_REQUEST_TIMEOUT_MS")),
            connection and connection.fileno(),
        )
        response = self._resource.to_response(prediction)
        if isinstance(response, tuple | Response):
            raise NotPlain
        return json_bytes(response)


class DirectLane:
    """Answers plain predictions, and gives everything else to the app."""

    def __init__(
        self, app: Flask, resources: Iterable[ModelResource], max_content_length: int
    ) -> None:
        self._app = app
        self._behind: WSGIApplication = app.wsgi_app
        self._after = {name: list(them) for name, them in app.after_request_funcs.items()}
        self._max_content_length = max_content_length
        self._models = {
            served_url(type(resource)): PlainModel(resource)
            for resource in resources
            if all(getattr(type(resource), own) is getattr(ModelResource, own) for own in _OWN)
        }

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request."""
        started_s = time.monotonic()
        model = self._model_for(environ)
        if model is None:
            return self._behind(environ, start_response)
        data = b""
        try:
            data = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            instance = model.instance_of(data, int(environ["CONTENT_LENGTH"]))
        except Exception:
            environ["wsgi.input"] = io.BytesIO(data)
            return self._behind(environ, start_response)

        id_ = request_id(environ.get("HTTP_X_REQUEST_ID"))
        status, headers = 200, dict[str, str]()
        try:
            body = model.predict(instance, environ)
        except (HTTPException, NotPlain):  # It is predicted once more, then.
            environ["wsgi.input"] = io.BytesIO(data)
            return self._behind(environ, start_response)
        except Exception as error:
            told, status, headers = error_response(error, id_, model.log)
            body = json_bytes(told)
        taken_s = time.monotonic() - started_s
        record_prediction(model.name, status, taken_s)
        log_request(model.log, "POST", environ["PATH_INFO"], status, taken_s, id_)
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        headers |= common_headers(id_)
        start_response(f"{status} {HTTP_STATUS_CODES.get(status, '')}", list(headers.items()))
        return [body]

    def _model_for(self, environ: "WSGIEnvironment") -> PlainModel | None:
        """Return the model that a request asks, if it is a plain one."""
        model = self._models.get(environ["PATH_INFO"])
        length = environ.get("CONTENT_LENGTH", "")
        is_plain = (
            model is not None
            and environ["REQUEST_METHOD"] == "POST"
            and environ.get("CONTENT_TYPE") == "application/json"
            and "HTTP_ORIGIN" not in environ
            and "HTTP_TRANSFER_ENCODING" not in environ
            and length.isascii()
            and length.isdigit()
            and len(length) < 20
            and int(length) <= self._max_content_length
            # What somebody has the app do before each request (ask for a key) is not passed by.
            and not self._app.before_request_funcs
            and self._app.after_request_funcs == self._after
        )
        return model if is_plain else None
