"""Bodies and routes at the socket, on each lane."""

import contextlib

import pytest

from tests.services.faulty.service import FaultyService
from tests.services.lanes import LIMIT_BYTES
from tests.services.raw import Raw, greets, plain, request

EXPECTS = "Expect: 100-continue"
CHUNKED = request(
    "POST /v1/XXXModel HTTP/1.1",
    None,
    "Content-Type: application/json",
    "Transfer-Encoding: chunked",
)
ROUTES = [
    "/",
    "/v1",
    "/v1/XXXModel",
    "/v1/EchoModel",
    "/v1/EchoModel?msg=hi",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs/",
    "/nowhere",
]


def announced(size_bytes: int, *fields: str) -> bytes:
    """Write the head of a prediction with a body of that size."""
    kind = "Content-Type: application/json"
    length = f"Content-Length: {size_bytes}"
    return request("POST /v1/XXXModel HTTP/1.1", None, kind, length, *fields)


def test_body_that_is_asked_for_is_sent_and_answered(served: FaultyService) -> None:
    with Raw(served.url) as raw:
        for name in ("Leo", "Ann"):
            head, _, body = plain(name, EXPECTS).partition(b"\r\n\r\n")
            raw.send(head + b"\r\n\r\n")
            assert raw.provisional() == 100
            raw.send(body)
            answer = raw.answer()
            assert greets(answer, name)
            assert answer.before == []


def test_body_that_comes_unasked_is_answered(served: FaultyService) -> None:
    with Raw(served.url) as raw:
        for _ in range(3):
            raw.send(plain("Leo", EXPECTS))
            assert greets(raw.answer())


@pytest.mark.parametrize("more", [1, 10**12])
def test_too_large_a_body_is_not_asked_for(served: FaultyService, more: int) -> None:
    with Raw(served.url, announced(LIMIT_BYTES + more, EXPECTS)) as raw:
        answer = raw.answer()
        assert (answer.status, answer.before, answer.ends) == (413, [], True)
        assert raw.is_over()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_chunked_body_is_read(served: FaultyService, size: int) -> None:
    body = b'{"name": "Leo"}'
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]
    with Raw(served.url, CHUNKED, *chunks, b"0\r\n\r\n") as raw:
        assert greets(raw.answer())


def test_chunked_body_up_to_the_limit_is_read(served: FaultyService) -> None:
    body = b'{"name": "Leo"}' + b" " * (LIMIT_BYTES - 15)
    with Raw(served.url, CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)) as raw:
        assert greets(raw.answer())


@pytest.mark.parametrize("rest", [1, 4 * LIMIT_BYTES])
@pytest.mark.parametrize("is_chunked", [True, False], ids=["chunked", "announced"])
def test_sender_of_too_large_a_body_sees_the_refusal(
    served: FaultyService, is_chunked: bool, rest: int
) -> None:
    """It reads only when all is sent, or cannot be sent any more."""
    size = LIMIT_BYTES + rest
    head, chunk = announced(size), b"x" * 10_000
    if is_chunked:
        head, chunk = CHUNKED, b"2710\r\n" + chunk + b"\r\n"
    with Raw(served.url, head) as raw:
        with contextlib.suppress(ConnectionError):
            for _ in range(size // 10_000 + 1):
                raw.send(chunk)
        answer = raw.answer()
        assert (answer.status, answer.ends) == (413, True)
        assert raw.is_over()


@pytest.mark.parametrize(
    "data",
    [CHUNKED + b'f\r\n{"na', CHUNKED + b'f\r\n{"name": "Leo"}\r\n', announced(300) + b"{}"],
    ids=["in a chunk", "between chunks", "announced"],
)
def test_body_that_breaks_off_is_not_predicted(served: FaultyService, data: bytes) -> None:
    with Raw(served.url, data) as raw:
        raw.end()
        with contextlib.suppress(ConnectionError):
            assert raw.answer().status == 400
        assert raw.is_over()


@pytest.mark.parametrize(
    "data", [plain(), request("GET /v1/XXXModel HTTP/1.1")], ids=["plain", "flask"]
)
def test_request_that_comes_byte_by_byte_is_answered(served: FaultyService, data: bytes) -> None:
    with Raw(served.url) as raw:
        for _ in range(2):
            raw.send(*(data[at : at + 1] for at in range(len(data))))
            assert raw.answer().status == 200


@pytest.mark.parametrize("route", ROUTES)
def test_head_tells_what_get_would(served: FaultyService, route: str) -> None:
    kept = {"content-type", "content-length", "x-content-type-options", "vary", "allow"}
    with Raw(served.url, request(f"GET {route} HTTP/1.1")) as raw:
        get = raw.answer("GET")
        raw.send(request(f"HEAD {route} HTTP/1.1"))
        head = raw.answer("HEAD")
        raw.send(plain())  # Behind a body that should not be there, this would be no answer.
        assert greets(raw.answer())
    if route in ("/metrics", "/readyz"):  # They tell of the worker of jobs.
        kept.remove("content-length")
    assert head.status == get.status
    assert {name: head.headers.get(name) for name in kept} == {
        name: get.headers.get(name) for name in kept
    }


@pytest.mark.parametrize("route", ROUTES)
def test_options_tell_the_methods(served: FaultyService, route: str) -> None:
    with Raw(served.url, request(f"OPTIONS {route} HTTP/1.1")) as raw:
        answer = raw.answer()
        if route == "/nowhere":
            assert answer.status == 404
            return
        assert (answer.status, answer.body) == (200, b"")
        assert {"GET", "HEAD", "OPTIONS"} <= set(answer.headers["allow"].split(", "))


def test_caller_does_not_say_where_the_service_is(served: FaultyService) -> None:
    with Raw(served.url, plain("Leo", "SCRIPT_NAME: /v1", "PATH_INFO: /v1")) as raw:
        assert greets(raw.answer())


def test_preflight_of_another_origin_is_answered(served: FaultyService) -> None:
    origin = "https://a.example"
    fields = [f"Origin: {origin}", "Access-Control-Request-Method: POST"]
    with Raw(served.url, request("OPTIONS /v1/XXXModel HTTP/1.1", None, *fields)) as raw:
        assert raw.answer().headers["access-control-allow-origin"] == origin
        raw.send(plain("Leo", f"Origin: {origin}"))
        answer = raw.answer()
        assert greets(answer)
        assert answer.headers["access-control-allow-origin"] == origin
