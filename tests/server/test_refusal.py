"""The answers to what is no request."""

import http.client
import io
import re

import orjson
import pytest

from model_serving.server.refusal import refusal


def parsed(status: int) -> tuple[http.client.HTTPResponse, bytes]:
    """Read a refusal as a client does."""

    class Connection:
        def makefile(self, *_: object) -> io.BytesIO:
            return io.BytesIO(refusal(status))

    response = http.client.HTTPResponse(Connection())  # type: ignore[arg-type]
    response.begin()
    return response, response.read()


@pytest.mark.parametrize("status", [400, 408, 414, 431, 500, 501, 503])
def test_refusal_is_a_whole_response_like_the_others(status: int) -> None:
    response, body = parsed(status)
    assert (response.status, list(orjson.loads(body))) == (status, ["message"])
    assert (response.headers["Content-Type"], response.headers["Connection"]) == (
        "application/json",
        "close",
    )
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-ID"])


@pytest.mark.parametrize(("status", "expected"), [(503, "1"), (400, None)])
def test_refusal_says_when_to_call_again_where_that_helps(
    status: int, expected: str | None
) -> None:
    assert parsed(status)[0].headers["Retry-After"] == expected
