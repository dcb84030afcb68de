"""Requests of every form: the direct lane answers as the app behind it does."""

from typing import Any

import pytest
from flask import Flask

from tests.web.lanes import both_answer, environ_of, is_passed_on
from tests.web.moody import asked, moody_app

PATHS = ["/v1/MoodyModel", "/v1/EagerModel"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return moody_app(tmp_path_factory.mktemp("conf"))


@pytest.mark.parametrize(
    "changes",
    [
        {"CONTENT_TYPE": kind}
        for kind in (None, "", "text/plain", "application/x+json", "application/JSON", "multipart/")
    ]
    + [{"CONTENT_TYPE": "application/json; charset=utf-8"}]
    + [
        {"CONTENT_LENGTH": length}
        for length in (None, "", "0", "5", "12", "40", "999999", "-1", "x", "²", "1" * 5000, " 12")
    ]
    + [{"REQUEST_METHOD": method} for method in ("GET", "HEAD", "PUT", "OPTIONS", "post")]
    + [{"HTTP_ACCEPT": kind} for kind in ("text/html", "application/xml;q=1, */*;q=0")]
    + [{"HTTP_ORIGIN": origin} for origin in ("https://a.example", "null", "")]
    + [{"PATH_INFO": path} for path in ("/v1/MoodyModel/", "/v1/moodymodel", "/v1/NoModel", "")]
    + [{"QUERY_STRING": "do=other"}, {"SCRIPT_NAME": "/under"}]
    + [{"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}],
    ids=lambda changes: "-".join(f"{key}={str(value)[:20]}" for key, value in changes.items()),
)
@pytest.mark.parametrize("path", PATHS)
def test_lane_answers_any_request_as_the_app_does(
    app: Flask, path: str, changes: dict[str, Any]
) -> None:
    told = both_answer(app, environ_of(path, b'{"do": "it"}') | environ_changes(changes))
    assert told.headers["X-Content-Type-Options"] == "nosniff"


def environ_changes(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes, an empty text for what is taken away, as PEP 3333 allows."""
    return {key: "" if value is None else value for key, value in changes.items()}


@pytest.mark.parametrize("key", ["CONTENT_TYPE", "CONTENT_LENGTH"])
def test_lane_answers_without_a_key_as_the_app_does(app: Flask, key: str) -> None:
    told = both_answer(app, asked("it", **{key: None}))
    assert told.status == 400


@pytest.mark.parametrize("body", [b"12", b'{"do": "it"}'], ids=["number", "object"])
def test_lane_predicts_no_body_that_broke_off(app: Flask, body: bytes) -> None:
    told = both_answer(app, environ_of("/v1/MoodyModel", body, CONTENT_LENGTH="500"))
    assert told.status == 400


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("1000", 200),
        ("0", 400),
        ("-1", 400),
        ("1.5", 400),
        ("", 400),
        ("²", 400),
        ("9" * 300, 200),
        ("9" * 400, 200),
        ("9" * 5000, 200),
    ],
    ids=lambda value: str(value)[:5] + str(len(str(value))),
)
def test_lane_reads_the_callers_time_as_the_app_does(app: Flask, sent: str, status: int) -> None:
    told = both_answer(app, asked("it", HTTP_X_REQUEST_TIMEOUT_MS=sent))
    assert told.status == status


@pytest.mark.parametrize("sent", ["a b", "é", "x" * 129, "", None], ids=repr)
def test_lane_replaces_an_id_that_is_not_sane(app: Flask, sent: str | None) -> None:
    environ = asked("it", HTTP_X_REQUEST_ID=sent)
    assert not is_passed_on(app, environ)
    answer = app.test_client().post("/v1/MoodyModel", json={"do": "it"}, headers={})
    assert len(answer.headers["X-Request-ID"]) == 32
