"""The direct lane answers as the app behind it does, or leaves the answer to that."""

import logging
from pathlib import Path
from typing import Any

import flask
import orjson
import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_serving import metrics
from model_serving.app import create_app
from model_serving.config import Config
from tests.web.lanes import ID, both_answer, environ_of, is_passed_on
from tests.web.moody import ERRORS, MoodyModelResource, asked, moody_app

PATHS = ["/v1/MoodyModel", "/v1/EagerModel"]
HEAVY = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(width=32) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return moody_app(tmp_path_factory.mktemp("conf"))


@pytest.mark.parametrize(
    ("what", "status"),
    [("it", 200), ("text", 200), ("nan", 200), ("refuse", 400), ("raise", 500), ("set", 500)],
)
def test_lane_answers_a_prediction_as_the_app_does(app: Flask, what: str, status: int) -> None:
    told = both_answer(app, asked(what))
    assert (told.status, told.headers["Content-Type"]) == (status, "application/json")
    assert told.headers["X-Request-ID"] == ID
    assert not is_passed_on(app, asked(what))


@pytest.mark.parametrize("what", ERRORS)
def test_lane_answers_an_error_as_the_app_does(app: Flask, what: str) -> None:
    told = both_answer(app, asked(what))
    assert told.status >= 400
    assert b"secret" not in told.body or what == "conflict"
    assert ("Retry-After" in told.headers) == (told.status == 503)


@pytest.mark.parametrize(
    ("what", "status"), [("flask", 200), ("field of body", 400)], ids=["request", "error"]
)
def test_lane_leaves_a_conversion_that_raises_to_the_app(
    app: Flask, what: str, status: int
) -> None:
    assert both_answer(app, asked(what)).status == status
    assert is_passed_on(app, asked(what))


@pytest.mark.parametrize(
    "body",
    [
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
    ],
    ids=lambda body: repr(body[:20]) + str(len(body)),
)
@pytest.mark.parametrize("path", PATHS)
def test_lane_answers_any_body_as_the_app_does(app: Flask, path: str, body: bytes) -> None:
    told = both_answer(app, environ_of(path, body))
    assert orjson.loads(told.body).keys() <= {"message", "path", "result", "own"}


@HEAVY
@given(JSON.map(lambda value: flask.json.dumps(value).encode()) | st.binary())
def test_lane_answers_any_bytes_as_the_app_does(app: Flask, body: bytes) -> None:
    told = both_answer(app, environ_of("/v1/MoodyModel", body))
    assert told.status in (200, 400, 413, 500)


@HEAVY
@given(st.dictionaries(st.text(), JSON), st.text())
def test_lane_answers_any_right_body_as_the_app_does(
    app: Flask, others: dict[str, Any], what: str
) -> None:
    body = flask.json.dumps(others | {"do": what}).encode("utf-8", "surrogatepass")
    assert both_answer(app, environ_of("/v1/MoodyModel", body)).status < 505


def test_lane_passes_no_post_of_a_resource_by(app: Flask) -> None:
    environ = environ_of("/v1/EagerModel", b'{"do": "it"}')
    assert is_passed_on(app, environ)
    assert both_answer(app, environ).body == b'{"own":{"do":"it"}}\n'


@pytest.fixture
def own_app(tmp_path: Path) -> Flask:
    return create_app(Config(), [MoodyModelResource], tmp_path)


def test_lane_passes_no_function_before_the_request_by(own_app: Flask) -> None:
    own_app.before_request(lambda: Response("no key", 401))
    assert is_passed_on(own_app, asked("it"))
    assert both_answer(own_app, asked("it")).status == 401


def test_lane_passes_no_function_after_the_request_by(own_app: Flask) -> None:
    def mark(response: Response) -> Response:
        response.headers["X-Marked"] = "yes"
        return response

    own_app.after_request(mark)
    assert both_answer(own_app, asked("it")).headers["X-Marked"] == "yes"


@pytest.mark.parametrize(
    ("what", "status"), [("it", 200), ("raise", 500), ("flask", 200), ("field of body", 400)]
)
def test_request_is_counted_and_logged_once(
    own_app: Flask, caplog: pytest.LogCaptureFixture, what: str, status: int
) -> None:
    client: FlaskClient = own_app.test_client()
    requests = metrics.REQUESTS.labels("MoodyModel", str(status))._value
    before = requests.get()
    caplog.set_level(logging.INFO)
    assert client.post("/v1/MoodyModel", json={"do": what}).status_code == status
    lines = [record for record in caplog.records if record.getMessage().startswith("POST ")]
    assert requests.get() == before + 1
    assert [record.name for record in lines] == ["MoodyModel"]


@pytest.mark.parametrize("what", ["raise", "unknown"])
def test_lane_logs_what_it_does_not_tell(
    app: Flask, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    both_answer(app, asked(what))
    assert caplog.text.count(f"request {ID} failed") == 2
    assert caplog.text.count("secret") >= 2
