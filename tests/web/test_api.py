"""Errors over HTTP: one shape, no internals, whatever went wrong."""

import logging
from typing import Any, NoReturn

import pytest
from flask.testing import FlaskClient
from flask_restful import Resource

from model_serving.serving import InvalidInstance, Model
from model_serving.web import Example, ModelResource
from tests.conftest import MakeClient

JSON = {"Content-Type": "application/json"}


class MoodyModel(Model):
    """Do as it is told."""

    def predict(self, instances: list[Any]) -> list[Any]:
        return [self.act(instance["do"]) for instance in instances]

    def act(self, what: str) -> Any:
        if what == "raise":
            raise RuntimeError("secret path /srv/weights")
        if what == "refuse":
            return InvalidInstance("not this one")
        return {"set": {1, 2}, "deep": _nested(300), "nan": float("nan")}.get(what, what)


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class MoodyModelResource(ModelResource):
    model = MoodyModel
    schema = {"type": "object", "properties": {"do": {"type": "string"}}, "required": ["do"]}
    response_schema = {"type": "object"}
    examples = (Example({"do": "it"}, {"result": "it"}),)


class CrashResource(Resource):
    """A plain resource with a bug."""

    def get(self) -> NoReturn:
        raise KeyError("secret")


@pytest.fixture
def moody(make_client: MakeClient) -> FlaskClient:
    return make_client(MoodyModelResource, CrashResource, max_content_length=1000)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "No JSON object"),
        (b"{", "The body is not valid JSON: "),
        (b'{"name": NaN}', "The body is not valid JSON: "),
        (b'{"name": -Infinity}', "The body is not valid JSON: "),
        (b'{"name": 1e999}', "The body is not valid JSON: "),
        (b"[" * 100_000 + b"]" * 100_000, "The body is not valid JSON: "),
        (b"[" * 1020 + b"]" * 1020, 'The value breaks its schema: {"type":"object"}'),
        (b'{"name": "\xff"}', "The body is not valid JSON: "),
        (b'{"name": "\\ud800"}', "The body is not valid JSON: "),
        (b'\xef\xbb\xbf{"name": "Leo"}', "The body is not valid JSON: "),
        ('{"name": "Leo"}'.encode("utf-16"), "The body is not valid JSON: "),
        (b"null", "None is not of type 'object'"),
        (b"true", "True is not of type 'object'"),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value[:20]),
)
def test_bad_body_is_answered_400(client: FlaskClient, body: bytes, message: str) -> None:
    answer = client.post("/v1/XXXModel", data=body, headers=JSON)
    assert answer.status_code == 400
    assert message in answer.get_json()["message"]


@pytest.mark.parametrize(
    ("sent", "status", "expected"),
    [
        ({}, 400, {"message": "No JSON object"}),
        ({"data": '{"name": "Leo"}'}, 400, {"message": "No JSON object"}),
        ({"data": {"name": "Leo"}}, 400, {"message": "No JSON object"}),
        ({"json": {}}, 400, {"message": "'name' is a required property"}),
        ({"json": {"name": 5}}, 400, {"message": "5 is not of type 'string'", "path": "/name"}),
        ({"json": {"name": "Leo"}}, 200, {"result": "Hello, Leo!"}),
        (
            {"data": b'{"name": "x", "name": "Leo"}', "headers": JSON},
            200,
            {"result": "Hello, Leo!"},
        ),
        (
            {"data": b'{"name":"Leo"}', "content_type": "application/vnd.x+json; charset=utf-8"},
            200,
            {"result": "Hello, Leo!"},
        ),
    ],
    ids=["none", "no type", "form", "empty", "wrong", "right", "twice", "json by suffix"],
)
def test_fixed_answers(client: FlaskClient, sent: Any, status: int, expected: Any) -> None:
    answer = client.post("/v1/XXXModel", **sent)
    assert (answer.status_code, answer.get_json()) == (status, expected)


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/v1/NoModel", 404),
        ("GET", "/docs/nothing.js", 404),
        ("GET", "/docs/../../main.py", 404),
        ("DELETE", "/v1/XXXModel", 405),
        ("POST", "/healthz", 405),
        ("POST", "/docs/", 405),
    ],
)
def test_error_of_any_route_is_json(
    client: FlaskClient, method: str, url: str, status: int
) -> None:
    answer = client.open(url, method=method, headers={"Accept": "text/html"})
    assert answer.status_code == status
    assert list(answer.get_json()) == ["message"]


def test_wrong_method_is_told_the_right_ones(client: FlaskClient) -> None:
    allowed = client.delete("/v1/XXXModel").headers["Allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_too_large_a_body_is_answered_413_with_the_limit(moody: FlaskClient) -> None:
    answer = moody.post("/v1/MoodyModel", json={"do": "x" * 1000})
    assert answer.status_code == 413
    assert answer.get_json() == {"message": "The body is too large: the limit is 1000 bytes"}


@pytest.mark.parametrize("testing", [False, True], ids=["served", "testing"])
@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize(
    ("method", "url", "message"),
    [
        ("POST", "/v1/MoodyModel", "The model failed"),
        ("GET", "/v1/Crash", "Internal server error"),
    ],
)
def test_exception_shows_no_internals_and_is_logged_with_the_request_id(
    moody: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    method: str,
    url: str,
    message: str,
    debug: bool,
    testing: bool,
) -> None:
    moody.application.debug, moody.application.testing = debug, testing
    caplog.set_level(logging.ERROR)
    headers = {"X-Request-ID": "abc-1"}
    answer = moody.open(url, method=method, json={"do": "raise"}, headers=headers)
    assert (answer.status_code, answer.get_json()) == (500, {"message": message})
    assert "request abc-1 failed" in caplog.text
    assert "secret" in caplog.text


@pytest.mark.parametrize("what", ["deep"])
def test_prediction_that_is_no_json_is_answered_500_and_logged(
    moody: FlaskClient, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    answer = moody.post("/v1/MoodyModel", json={"do": what})
    assert (answer.status_code, answer.get_json()) == (500, {"message": "Internal server error"})
    assert "TypeError" in caplog.text


def test_prediction_that_is_not_a_number_is_null(moody: FlaskClient) -> None:
    assert moody.post("/v1/MoodyModel", json={"do": "nan"}).get_json() == {"result": None}


def test_refused_instance_is_answered_400_with_the_reason(moody: FlaskClient) -> None:
    answer = moody.post("/v1/MoodyModel", json={"do": "refuse"})
    assert (answer.status_code, answer.get_json()) == (400, {"message": "not this one"})
