"""The front answers as the app behind it does, or leaves the answer to that."""

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import flask
import orjson
import pytest
from flask import Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix

from model_serving import metrics
from tests.lanes import ID, FrontLane, answer, both_answer, environ_of, is_passed_on
from tests.web.moody import ERRORS, MoodyModelResource, asked, moody_lane

PATHS = ["/v1/MoodyModel", "/v1/EagerModel", "/v1/Plain"]
HEAVY = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(width=32) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontLane]:
    with closing(moody_lane(tmp_path_factory.mktemp("conf"))) as lane:
        yield lane


@pytest.mark.parametrize(
    ("what", "status"),
    [("it", 200), ("text", 200), ("nan", 200), ("refuse", 400), ("raise", 500), ("set", 200)],
)
def test_front_answers_a_prediction_as_the_app_does(
    lane: FrontLane, what: str, status: int
) -> None:
    told = both_answer(lane, asked(what))
    assert (told.status, told.headers["content-type"]) == (status, "application/json")
    assert (told.headers["x-request-id"], told.headers["x-content-type-options"]) == (ID, "nosniff")
    assert not is_passed_on(lane, asked(what))


@pytest.mark.parametrize("what", ERRORS)
def test_front_answers_an_error_as_the_app_does(lane: FrontLane, what: str) -> None:
    told = both_answer(lane, asked(what))
    assert told.status >= 400
    assert b"secret" not in told.body or what == "conflict"
    assert ("retry-after" in told.headers) == (told.status == 503)
    assert is_passed_on(lane, asked(what)) == (what == "conflict")


@pytest.mark.parametrize(
    ("what", "status"), [("flask", 200), ("field of body", 400), ("abort", 409)]
)
def test_front_leaves_a_conversion_that_raises_to_the_app(
    lane: FrontLane, what: str, status: int
) -> None:
    assert both_answer(lane, asked(what)).status == status
    assert is_passed_on(lane, asked(what))


@pytest.mark.parametrize(
    ("what", "status", "kind"),
    [
        ("tuple", 201, "application/json"),
        ("response", 203, "text/own"),
        ("abort after", 418, "application/json"),
    ],
)
def test_front_leaves_a_model_whose_response_is_more_than_a_body_to_the_app(
    own: FrontLane, what: str, status: int, kind: str
) -> None:
    told = both_answer(own, asked(what))
    assert (told.status, told.headers["content-type"]) == (status, kind)
    assert is_passed_on(own, asked("it"))  # As it would be predicted twice.


BODIES = [
    b"",
    b"{",
    b'{"do": NaN}',
    b'{"do": "\xff"}',
    b'\xef\xbb\xbf{"do": "it"}',
    b'{"do": "a", "do": "b"}',
    b' {"do" : "it"} \n',
    b'{"do": 5}',
    b"null",
    b"[" * 2000,
    b'{"do": "' + b"x" * 990 + b'"}',
    b'{"do": "' + b"x" * 991 + b'"}',
    b'{"do": "' + b"x" * 5000 + b'"}',
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:20]) + str(len(body)))
@pytest.mark.parametrize("path", PATHS)
def test_front_answers_any_body_as_the_app_does(lane: FrontLane, path: str, body: bytes) -> None:
    told = both_answer(lane, environ_of(path, body))
    assert orjson.loads(told.body).keys() <= {"message", "path", "result", "own", "plain"}


@HEAVY
@given(JSON.map(lambda value: flask.json.dumps(value).encode()) | st.binary())
def test_front_answers_any_bytes_as_the_app_does(lane: FrontLane, body: bytes) -> None:
    told = both_answer(lane, environ_of("/v1/MoodyModel", body))
    assert told.status in (200, 400, 413, 500)


@HEAVY
@given(st.dictionaries(st.text(), JSON), st.text())
def test_front_answers_any_right_body_as_the_app_does(
    lane: FrontLane, others: dict[str, Any], what: str
) -> None:
    body = flask.json.dumps(others | {"do": what}).encode("utf-8", "surrogatepass")
    assert both_answer(lane, environ_of("/v1/MoodyModel", body)).status < 505


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/EagerModel", b'{"own":{"do":"it"}}\n'), ("/v1/Plain", b'{"plain":{"do":"it"}}\n')],
)
def test_front_passes_no_post_of_a_resource_by(lane: FrontLane, path: str, body: bytes) -> None:
    environ = environ_of(path, b'{"do": "it"}')
    assert is_passed_on(lane, environ)
    assert both_answer(lane, environ).body == body


@pytest.fixture
def own(tmp_path: Path) -> Iterator[FrontLane]:
    with closing(moody_lane(tmp_path, MoodyModelResource)) as lane:
        yield lane


def test_front_passes_no_function_before_the_request_by(own: FrontLane) -> None:
    own.app.before_request(lambda: Response("no key", 401))
    assert is_passed_on(own, asked("it"))
    assert both_answer(own, asked("it")).status == 401


def test_front_passes_no_function_after_the_request_by(own: FrontLane) -> None:
    def mark(response: Response) -> Response:
        response.headers["X-Marked"] = "yes"
        return response

    own.app.after_request(mark)
    assert both_answer(own, asked("it")).headers["x-marked"] == "yes"


def test_front_passes_no_middleware_of_the_app_by(own: FrontLane) -> None:
    own.app.wsgi_app = ProxyFix(own.app.wsgi_app)  # type: ignore[method-assign]
    assert is_passed_on(own, asked("it"))
    assert both_answer(own, asked("it")).status == 200


@pytest.mark.parametrize("is_direct", [False, True], ids=["flask", "front"])
@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("it", 200),
        ("refuse", 400),
        ("raise", 500),
        ("not ready", 503),
        ("flask", 200),
        ("field of body", 400),
        ("tuple", 201),
    ],
)
def test_request_is_counted_and_logged_once(
    own: FrontLane, caplog: pytest.LogCaptureFixture, what: str, status: int, is_direct: bool
) -> None:
    counter = metrics.REQUESTS.labels("MoodyModel", str(status))._value
    latency = metrics.LATENCY.labels("MoodyModel")
    counted, observed = counter.get(), sum(bucket.get() for bucket in latency._buckets)
    caplog.set_level(logging.INFO)
    assert answer(own if is_direct else own.app, asked(what)).status == status
    (line,) = [record for record in caplog.records if record.getMessage().startswith("POST ")]
    assert (counter.get(), sum(b.get() for b in latency._buckets)) == (counted + 1, observed + 1)
    assert (line.name, line.levelname) == ("MoodyModel", "INFO")
    assert line.getMessage().startswith(f"POST /v1/MoodyModel {status} in ")
    assert line.getMessage().endswith(f" ms for 127.0.0.1 (request {ID})")


@pytest.mark.parametrize("what", ["raise", "unknown"])
def test_front_logs_what_it_does_not_tell(
    lane: FrontLane, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    both_answer(lane, asked(what))
    assert caplog.text.count(f"request {ID} failed") == 2
    assert caplog.text.count("secret") >= 2
