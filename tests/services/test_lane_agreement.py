"""Random requests at the sockets of both lanes, which must answer the same.

``EXAMPLES=5000 pytest tests/services/test_lane_agreement.py`` makes as many.
"""

import itertools
import json
import os
import re
import time
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.services.faulty.service import FaultyService
from tests.services.lanes import LIMIT_BYTES
from tests.services.raw import Answer, Raw, greets, plain

EXAMPLES = int(os.environ.get("EXAMPLES", "60"))
COMPARED = {
    "content-type",
    "content-length",
    "allow",
    "retry-after",
    "location",
    "vary",
    "cache-control",
    "etag",
    "x-content-type-options",
}
JOBS = re.compile(rb',"jobs":\{[^}]*\}')  # Their worker may be slow to tell of itself.
SILENCE_S = 20.0  # Longer than any answer takes; who says nothing for so long will not.
PATHS = [
    *(f"/v1/{name}Model" for name in ("XXX", "Echo", "POS", "NER", "Digits", "Faulty", "No") * 6),
    *("/", "/v1", "/v1/", "/healthz", "/readyz", "/_ah/warmup", "/openapi.json"),
    *("/docs", "/docs/", "/docs/index.css", "/docs/nothing", "/nowhere", "/v1/XXXModel/more"),
]
# What another spelling makes of a path.
SPELLINGS = [
    lambda path: path,
    lambda path: path.replace("M", "%4d").replace("v", "%76"),
    lambda path: path.lower(),
    lambda path: path + "?msg=%E6%88%91&text=hi&msg=b",
    lambda path: path + "?%ff=%00&;=#",
    lambda path: path + "#there",
    lambda path: "http://other:80" + path,
    lambda path: "/" + path,
    lambda path: path.replace("/", "//"),
    lambda path: path + "%ff%00%0d%0a",
    lambda path: path + "/../v1",
]
METHODS = ["POST"] * 8 + ["GET", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "FOO"]
TYPES = [
    *["application/json"] * 8,
    *("application/json; charset=utf-8", "application/json;charset=UTF-8", "APPLICATION/JSON"),
    *("application/json; charset=latin-1", "application/problem+json", "application/json, a/b"),
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "/", ";", "é"),
    "multipart/form-data; boundary=b",
]
RIGHT: list[Any] = [
    {"name": "Leo"},
    {"msg": "hi"},
    {"text": "我爱北京"},
    {"picture": ""},
    {"do": "echo", "value": [1, {"a": None}]},
    {"do": "raise", "value": 1},
    {"do": "refuse", "value": "too bad"},
    {"do": "object", "value": 1},
    {"name": "Leo", "more": 1},
]
FORMS = [
    b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n--b--\r\n' % (name, value)
    for name in (b"name", b"msg", b"picture", b"")
    for value in (b"Leo", b"5", b"\xff")
] + [
    b'--b\r\nContent-Disposition: form-data; name="%b"; filename="a.png"\r\n\r\n\x89PNG\r\n--b--'
    % name
    for name in (b"name", b"picture")
]

jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "msg", "text", "picture", "do", "value"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
bodies = st.one_of(
    st.sampled_from(RIGHT).map(orjson.dumps),
    st.sampled_from(RIGHT).map(orjson.dumps),
    jsons.map(lambda body: json.dumps(body).encode()),
    jsons.map(lambda body: json.dumps(body, ensure_ascii=False).encode(errors="surrogatepass")),
    st.sampled_from(RIGHT).map(lambda body: json.dumps(body).encode("utf-16")),
    st.binary(max_size=50),
    st.sampled_from(FORMS),
    st.just(b""),
    st.sampled_from([65_535, 65_536, 65_537, 300_000, LIMIT_BYTES, LIMIT_BYTES + 1]).map(
        lambda size: b'{"name":"%b"}' % (b"x" * (size - 11))
    ),
    st.sampled_from([100, 1023, 1024, 1025]).map(lambda depth: b"[" * depth + b"]" * depth),
)
texts = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=15)
ids = st.sampled_from(["call-1", "", "a b", "x" * 128, "x" * 129, "é", "a,b", "a/b:c=d+e._-"])
fields = st.lists(
    st.one_of(
        st.tuples(st.just("X-Request-ID"), ids | texts),
        st.tuples(
            st.just("X-Request-Timeout-Ms"),
            st.sampled_from(["30000", "0", "-1", "1.5", "x", "", "9" * 30, "²", " 30000 "]),
        ),
        st.tuples(st.just("Origin"), st.sampled_from(["https://a.example", "null", "", "é"])),
        st.tuples(st.just("Access-Control-Request-Method"), st.sampled_from(["POST", "DELETE"])),
        st.tuples(st.just("Access-Control-Request-Headers"), st.sampled_from(["X-A", "x, y"])),
        st.tuples(st.just("Accept"), st.sampled_from(["*/*", "text/html", "application/xml", ""])),
        st.tuples(st.just("Accept-Encoding"), st.sampled_from(["gzip", "identity;q=0"])),
        st.tuples(st.just("Content-Encoding"), st.sampled_from(["gzip", "identity"])),
        st.tuples(st.just("Connection"), st.sampled_from(["close", "keep-alive", "Upgrade"])),
        st.tuples(st.just("Upgrade"), st.sampled_from(["websocket", "h2c"])),
        st.tuples(st.just("X-Forwarded-Proto"), st.sampled_from(["https", "http"])),
        st.tuples(st.just("X-Forwarded-Host"), texts),
        st.tuples(st.just("Range"), st.sampled_from(["bytes=0-3", "bytes=9-1", "x"])),
        st.tuples(st.just("If-None-Match"), st.sampled_from(["*", '"x"'])),
        st.tuples(st.just("X-HTTP-Method-Override"), st.sampled_from(["GET", "PUT"])),
        st.tuples(st.just("Cookie"), texts),
        st.tuples(st.just("Content-Length_"), st.just("5")),
        st.tuples(st.from_regex(r"X-[A-Za-z0-9!#$%&'*+.^`|~-]{1,8}", fullmatch=True), texts),
    ),
    max_size=4,
)


@st.composite
def requests(draw: st.DrawFn) -> list[bytes]:
    """Draw the segments of a request."""
    method = draw(st.sampled_from(METHODS))
    path = draw(st.sampled_from(SPELLINGS[:1] * 9 + SPELLINGS))(draw(st.sampled_from(PATHS)))
    version = draw(st.sampled_from(["1.1"] * 9 + ["1.0"]))
    lines = [f"{method} {path} HTTP/{version}"]
    lines.append(f"Host: {draw(st.sampled_from(['test', 'test:80', '[::1]', '', 'a b', 'é']))}")
    if kind := draw(st.none() | st.sampled_from(TYPES)) or draw(st.sampled_from(TYPES[:1])):
        lines.append(f"Content-Type: {kind}")
    lines += [f"{name}: {value}" for name, value in draw(fields)]
    body = draw(bodies)
    if version == "1.1" and draw(st.integers(0, 3)) == 0:
        lines.append("Transfer-Encoding: chunked")
        size = max(1, len(body) // draw(st.integers(1, 5)))
        parts = [body[at : at + size] for at in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    elif body or draw(st.booleans()):
        lines.append(f"Content-Length: {len(body)}")
    data = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=2)))
    edges = [0, *cuts, len(data)]
    return [data[at:end] for at, end in itertools.pairwise(edges) if end > at]


def ask(service: FaultyService, segments: list[bytes]) -> tuple[Any, ...]:
    """Send a request thrice, and return what of its answer must be the same on each lane."""
    found: list[tuple[Any, ...]] = []
    with Raw(service.url, plain()) as raw:
        raw.socket.settimeout(SILENCE_S)
        assert greets(raw.answer())
        while len(found) < 3:
            told, is_last = ask_once(raw, segments)
            found.append(told)
            if is_last:
                break
    return found[0] if found == found[:1] * len(found) else ("changing", *found)


def ask_once(raw: Raw, segments: list[bytes]) -> tuple[tuple[Any, ...], bool]:
    """Return what must be the same, and whether the connection ends."""
    data = b"".join(segments)
    try:
        for segment in segments:
            raw.send(segment)
            if len(segments) > 1:
                time.sleep(0.001)
    except ConnectionError:
        pass  # The answer tells why.
    try:
        answer = raw.answer(data.partition(b" ")[0].decode())
    except (ConnectionError, TimeoutError) as error:
        return (type(error).__name__,), True
    body = JOBS.sub(b"", answer.body)
    return (answer.status, kept(answer, data), body), answer.ends


def kept(answer: Answer, data: bytes) -> dict[str, Any]:
    headers: dict[str, Any] = {
        name: value
        for name, value in answer.headers.items()
        if name in COMPARED or name.startswith("access-control-")
    }
    for name in ("allow", "vary", "access-control-allow-methods", "access-control-expose-headers"):
        if name in headers:
            headers[name] = set(headers[name].split(", "))
    if JOBS.search(answer.body):
        headers.pop("content-length", None)
    id_ = answer.headers["x-request-id"]
    is_sent = b"X-Request-ID: " + id_.encode() + b"\r\n" in data
    headers["x-request-id"] = id_ if is_sent else len(id_)
    return headers


@pytest.mark.timeout(3600)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(requests())
def test_lanes_answer_a_request_the_same(
    lanes: dict[str, FaultyService], segments: list[bytes]
) -> None:
    asgi, gthread = (ask(service, segments) for service in lanes.values())
    assert asgi == gthread, [segment[:300] for segment in segments]
