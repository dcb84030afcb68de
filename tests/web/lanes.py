"""The direct lane and the app behind it, asked the same."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from flask import Flask
from werkzeug.test import create_environ, run_wsgi_app

from model_serving.web.direct import DirectLane

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]
ID = "abc-1"


@dataclass(frozen=True)
class Told:
    """What matters of a response."""

    status: int
    headers: dict[str, str]
    body: bytes


def environ_of(path: str, body: bytes = b"", method: str = "POST", **changes: Any) -> Environ:
    """Return a WSGI environment, of a JSON body if it is not changed; None takes a key away."""
    environ = create_environ(path, method=method, input_stream=io.BytesIO(body))
    environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
    environ |= {"HTTP_X_REQUEST_ID": ID} | changes
    return {key: value for key, value in environ.items() if value is not None}


def answer(wsgi: Wsgi, environ: Environ) -> Told:
    """Ask, with a copy of the environment."""
    body = environ["wsgi.input"].getvalue()
    chunks, status, headers = run_wsgi_app(
        cast(Any, wsgi), environ | {"wsgi.input": io.BytesIO(body)}, buffered=True
    )
    return Told(int(status.split()[0]), dict(headers), b"".join(chunks))


def lane_of(app: Flask) -> DirectLane:
    """Return the lane before an app."""
    lane = app.wsgi_app
    assert isinstance(lane, DirectLane)
    return lane


def both_answer(app: Flask, environ: Environ) -> Told:
    """Ask the lane and the app behind it; return the answer, which is the same."""
    lane = lane_of(app)
    direct, behind = answer(lane, environ), answer(lane._behind, environ)
    assert direct == behind
    return direct


def is_passed_on(app: Flask, environ: Environ) -> bool:
    """Say whether the lane gives a request to the app behind it."""
    lane, asked = lane_of(app), list[Environ]()
    behind = lane._behind

    def listening(environ: Environ, start_response: Any) -> Iterable[bytes]:
        asked.append(environ)
        return behind(environ, start_response)

    lane._behind = listening
    try:
        answer(lane, environ)
    finally:
        lane._behind = behind
    return bool(asked)
