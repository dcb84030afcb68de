"""The only place where an error becomes a response."""

from collections.abc import Callable
from typing import Any

from flask import Flask, current_app
from flask_restful import Api
from werkzeug.exceptions import ClientDisconnected, HTTPException, NotFound, RequestEntityTooLarge

from model_serving.errors import NOT_HTTP
from model_serving.web.json import output_json
from model_serving.web.request import current_request
from model_serving.web.response import error_response


class ServiceApi(Api):
    """Flask-RESTful's Api, answering every error of the app as ``{"message": ...}``."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app, catch_all_404s=True)
        self.representations = {"application/json": output_json}

    def error_router(self, original_handler: Callable[..., Any], error: Exception) -> Any:
        """Send the errors of all routes one way, in debug mode too; Flask-RESTful has two."""
        return self.handle_error(error)

    def handle_error(self, error: Exception) -> Any:
        """Turn an error into a response."""
        if isinstance(error, HTTPException):
            return _http_error(error)
        request = current_request()
        return output_json(*error_response(error, request.id, request.log))


def _http_error(error: HTTPException) -> Any:
    response = error.get_response()
    if error.code is None or error.code < 400:
        return response
    message = error.description or error.name
    if isinstance(error, RequestEntityTooLarge):
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        length = current_request().content_length
        message = f"The body is too large: the limit is {limit} bytes"
        if length is not None and length <= limit:
            message = "The form has too many parts"
    if isinstance(error, ClientDisconnected):
        message = NOT_HTTP
    if isinstance(error, NotFound):
        message = "There is nothing at this URL; GET /v1 lists the models"
    # The werkzeug error's own headers matter (Allow, Retry-After); those of its HTML body do not.
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in {"Content-Type", "Content-Length"}
    }
    return output_json({"message": message}, error.code, headers)
