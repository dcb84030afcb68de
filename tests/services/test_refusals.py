"""What is no request is refused in JSON, with the same words on each lane; what is odd is taken."""

import pytest

from tests.services.faulty.service import FaultyService
from tests.services.lanes import LIMIT_BYTES
from tests.services.raw import Raw, greets, plain, request

BODY = b'{"name": "Leo"}'
NO_HTTP = (400, "The request is not valid HTTP")
LONG_URL = (414, "The URL is too long")
LARGE_HEADERS = (431, "The headers are too large")
NO_CODING = (501, "Not Implemented")


def get(target: str, *fields: str) -> bytes:
    return request(f"GET {target} HTTP/1.1", None, *fields)


def post(*fields: str, body: bytes = BODY) -> bytes:
    """Write a prediction without a length."""
    line = "POST /v1/XXXModel HTTP/1.1"
    return request(line, None, "Content-Type: application/json", *fields) + body


def chunked(body: bytes) -> bytes:
    return post("Transfer-Encoding: chunked", body=body)


LINES = {
    "no line": b"GARBAGE\r\n\r\n",
    "two words": b"GET /\r\n\r\n",
    "empty lines": b"\r\n\r\n\r\n",
    "small letters": request("get / HTTP/1.1"),
    "short method": request("GE / HTTP/1.1"),
    "long method": request("A" * 21 + " / HTTP/1.1"),
    "method with a sign": request("G#T / HTTP/1.1"),
    "HTTP/2.0": request("GET / HTTP/2.0"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": request("GET / HTTPX/1.1"),
    "version in small letters": request("GET / http/1.1"),
    "two blanks": request("GET  / HTTP/1.1"),
    "blank in the path": get("/a b"),
    "tab in the path": get("/a\tb"),
    "path without a slash": get("v1"),
    "path beyond ASCII": get("/\xe9"),
    "broken URL": get("http://[::1/v1"),
    "asterisk": get("*"),
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: test\n\n",
}
FIELDS = {
    "no colon": get("/healthz", "XYZ"),
    "no name": get("/healthz", ": x"),
    "blank in the name": get("/healthz", "X Y: x"),
    "blank before the colon": get("/healthz", "X : x"),
    "name beyond ASCII": get("/healthz", "\xe9: x"),
    "folded": get("/healthz", "X: a", " b"),
    "folded first": b"GET /healthz HTTP/1.1\r\n X: a\r\n\r\n",
    "NUL": get("/healthz", "X: a\0b"),
    "carriage return": get("/healthz", "X: a\rb"),
    "line feed": get("/healthz", "X: a\nb"),
    "control character": get("/healthz", "X: a\x01"),
    "DEL": get("/healthz", "X: a\x7f"),
    "two hosts": get("/healthz", "Host: other"),
    "two content types": post("Content-Type: text/plain", "Content-Length: 15"),
}
LENGTHS = {
    "twice the same": post("Content-Length: 15", "Content-Length: 15"),
    "two": post("Content-Length: 15", "Content-Length: 5"),
    "list": post("Content-Length: 15, 15"),
    "negative": post("Content-Length: -1"),
    "sign": post("Content-Length: +15"),
    "hexadecimal": post("Content-Length: 0xf"),
    "underscore": post("Content-Length: 1_5"),
    "nothing": post("Content-Length: "),
    "digits apart": post("Content-Length: 1 5"),
    "superscript": post("Content-Length: \xb2"),
    "thousands of digits": post("Content-Length: " + "9" * 5000),
    "with chunks": post("Content-Length: 15", "Transfer-Encoding: chunked"),
}
CODINGS = {
    "not chunked": post("Transfer-Encoding: gzip"),
    "not chunked at last": post("Transfer-Encoding: chunked, gzip"),
    "identity": post("Transfer-Encoding: identity"),
    "chunked twice": post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "of HTTP/1.0": request("POST /v1/XXXModel HTTP/1.0", None, "Transfer-Encoding: chunked"),
    "blank before the colon": post("Transfer-Encoding : chunked"),
    "vertical tab": post("Transfer-Encoding: \x0bchunked"),
}
CHUNKS = {
    "no number": b"zz\r\n{}\r\n",
    "negative": b"-f\r\n" + BODY + b"\r\n0\r\n\r\n",
    "0x": b"0xf\r\n" + BODY + b"\r\n0\r\n\r\n",
    "blank": b"f \r\n" + BODY + b"\r\n0\r\n\r\n",
    "no end": b"f\r\n" + BODY + b"xx0\r\n\r\n",
    "bad extension": b"f;a b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "host as a trailer": b"f\r\n" + BODY + b"\r\n0\r\nHost: other\r\n\r\n",
}
REFUSED = [
    *(
        pytest.param(data, *NO_HTTP, id=f"{group}: {name}")
        for group, cases in {
            "line": LINES,
            "field": FIELDS,
            "length": LENGTHS,
            "coding": CODINGS,
            "chunk": {name: chunked(body) for name, body in CHUNKS.items()},
        }.items()
        for name, data in cases.items()
    ),
    pytest.param(post("Transfer-Encoding: xchunked"), *NO_CODING, id="unknown coding"),
    pytest.param(post("Transfer-Encoding:"), *NO_CODING, id="empty coding"),
    pytest.param(get("/" + "a" * 8190), *LONG_URL, id="long URL"),
    pytest.param(get("/" + "a" * 100_000), *LONG_URL, id="very long URL"),
    pytest.param(get("/healthz", "X: " + "a" * 8190), *LARGE_HEADERS, id="long field"),
    pytest.param(get("/healthz", "X: " + "a" * 100_000), *LARGE_HEADERS, id="very long field"),
    pytest.param(get("/healthz", *["X: 1"] * 100), *LARGE_HEADERS, id="101 fields"),
    pytest.param(get("/healthz", *["X: 1"] * 5000), *LARGE_HEADERS, id="5,001 fields"),
]


@pytest.mark.parametrize(("data", "status", "message"), REFUSED)
def test_what_is_no_request_is_refused(
    served: FaultyService, data: bytes, status: int, message: str
) -> None:
    with Raw(served.url, data) as raw:
        answer = raw.answer("GET")
        assert (answer.status, answer.json) == (status, {"message": message})
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(answer.headers["x-request-id"]) == 32
        assert answer.ends
        assert raw.is_over()


TAKEN = {
    "an empty line before": b"\r\n" + plain(),
    "whole URL": request("POST http://other/v1/XXXModel HTTP/1.1", BODY),
    "whole URL of HTTPS": request("POST https://other/v1/XXXModel HTTP/1.1", BODY),
    "fragment": request("POST /v1/XXXModel#there HTTP/1.1", BODY),
    "question": request("POST /v1/XXXModel?name=Ann HTTP/1.1", BODY),
    "encoded path": request("POST /v1/XXX%4dodel HTTP/1.1", BODY),
    "encoded slash": request("POST /v1%2FXXXModel HTTP/1.1", BODY),
    "two slashes": request("POST //v1/XXXModel HTTP/1.1", BODY),
    "length with zeros": post("Content-Length: 0015"),
    "100 fields": request("POST /v1/XXXModel HTTP/1.1", BODY, *["X: 1"] * 97),
    "long field": plain("Leo", "X: " + "a" * 8185),
    "tab and letters beyond ASCII": plain("Leo", "X: a\tb\xe9"),
    "underscore": plain("Leo", "Content_Length: 3", "Transfer_Encoding: chunked"),
    "no host": post("Content-Length: 15").replace(b"Host: test\r\n", b""),
    "method that is overridden": plain("Leo", "X-HTTP-Method-Override: GET"),
    "upgrade": plain("Leo", "Upgrade: h2c, websocket", "Connection: Upgrade"),
    "chunk extension": chunked(b'f;a="b"\r\n' + BODY + b"\r\n0\r\n\r\n"),
    "chunk of capitals and zeros": chunked(b"000F\r\n" + BODY + b"\r\n000\r\n\r\n"),
    "trailer": chunked(b"f\r\n" + BODY + b"\r\n0\r\nX: y\r\n\r\n"),
}


@pytest.mark.parametrize("data", TAKEN.values(), ids=TAKEN)
def test_odd_request_is_taken(served: FaultyService, data: bytes) -> None:
    with Raw(served.url, data) as raw:
        assert greets(raw.answer())


NOT_FOUND = (404, "There is nothing at this URL; GET /v1 lists the models")
NOT_ALLOWED = (405, "The method is not allowed for the requested URL.")
TOO_LARGE = (413, f"The body is too large: the limit is {LIMIT_BYTES} bytes")
ERRORS = [
    pytest.param(get("/v1/"), *NOT_FOUND, id="slash behind"),
    pytest.param(get("/v1/%ff%00%0d%0aX:"), *NOT_FOUND, id="odd characters"),
    pytest.param(get("/v1/../healthz"), *NOT_FOUND, id="dots"),
    pytest.param(get("/v1?/../../etc"), 200, None, id="dots in the question"),
    pytest.param(request("OPTIONS * HTTP/1.1"), *NOT_FOUND, id="asterisk"),
    pytest.param(request("FOO /v1 HTTP/1.1"), *NOT_ALLOWED, id="unknown method"),
    pytest.param(request("TRACE /v1/XXXModel HTTP/1.1"), *NOT_ALLOWED, id="TRACE"),
    pytest.param(request("CONNECT /v1 HTTP/1.1"), *NOT_ALLOWED, id="CONNECT"),
    pytest.param(post(f"Content-Length: {LIMIT_BYTES + 1}"), *TOO_LARGE, id="too large"),
    pytest.param(post("Content-Length: " + "9" * 30), *TOO_LARGE, id="far too large"),
    pytest.param(post("Content-Length: 15", "Content-Type:"), *NO_HTTP, id="no content type"),
    pytest.param(request("POST /v1/XXXModel HTTP/1.1"), 400, "No JSON object", id="no body"),
]


@pytest.mark.parametrize(("data", "status", "message"), ERRORS)
def test_error_is_told_in_json(
    served: FaultyService, data: bytes, status: int, message: str | None
) -> None:
    with Raw(served.url, data) as raw:
        answer = raw.answer("GET")
        assert answer.status == status
        assert answer.headers["content-type"] == "application/json"
        assert message is None or answer.json == {"message": message}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_websocket_is_refused_in_json(served: FaultyService, method: str) -> None:
    fields = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    body = BODY if method == "POST" else None
    with Raw(served.url, request(f"{method} /v1/XXXModel HTTP/1.1", body, *fields, key)) as raw:
        answer = raw.answer(method)
        assert answer.status == 400
        assert answer.json.keys() == {"message"}
