"""The answer to what is no request: gunicorn's parsers refuse it before any application sees it."""

import http

import orjson

from model_serving.errors import NOT_HTTP
from model_serving.headers import common_headers, request_id

_MESSAGES = {
    400: NOT_HTTP,
    408: "The request did not come in time",
    414: "The URL is too long",
    431: "The headers are too large",
    503: "Too many connections",
}


def refusal(status: int) -> bytes:
    """Return the whole response; the connection ends behind it."""
    phrase = http.HTTPStatus(status).phrase
    body = orjson.dumps(
        {"message": _MESSAGES.get(status, phrase)}, option=orjson.OPT_APPEND_NEWLINE
    )
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **({"Retry-After": "1"} if status == 503 else {}),
        **common_headers(request_id(None)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode() + body
