import logging
import re

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize("sent", ["abc", "3f2a-77", "a.b_c:d/e+f=", "x" * 128])
def test_request_id_of_the_caller_is_kept(client: FlaskClient, sent: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": sent})
    assert answer.headers["X-Request-ID"] == sent


@pytest.mark.parametrize(
    "sent",
    ["", "x" * 129, "a b", 'a"b', "<script>", "é"],
    ids=["none", "long", "sp", "q", "tag", "é"],
)
def test_request_id_that_is_not_sane_is_replaced(client: FlaskClient, sent: str) -> None:
    answer = client.get("/healthz", headers={"X-Request-ID": sent})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


@pytest.mark.parametrize(("url", "status"), [("/healthz", 200), ("/nowhere", 404)])
def test_response_carries_the_common_headers(client: FlaskClient, url: str, status: int) -> None:
    answer = client.get(url)
    assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (status, "nosniff")
    assert answer.headers["X-Request-ID"] != client.get(url).headers["X-Request-ID"]


def test_request_leaves_one_line_in_the_log_of_its_model(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client.post("/v1/XXXModel", json={"name": "Leo"}, headers={"X-Request-ID": "abc"})
    (record,) = caplog.records
    assert record.name == "XXXModel"
    assert re.fullmatch(
        r"POST /v1/XXXModel 200 in [\d.]+ ms for 127\.0\.0\.1 \(request abc\)", record.getMessage()
    )


def test_request_cannot_write_a_line_of_its_own_into_the_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client.get("/nowhere%0A[2018/10/21 00:00:00] - [INFO] - forged")
    (record,) = caplog.records
    assert "\n" not in record.getMessage()


@pytest.mark.parametrize(
    ("path", "method"), [("/v1/XXXModel", "POST"), ("/v1/XXXModel", "GET")], ids=["plain", "flask"]
)
def test_request_is_logged_for_whom_the_trusted_proxy_names(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, path: str, method: str
) -> None:
    caplog.set_level(logging.INFO)
    headers = {"X-Forwarded-For": "192.0.2.1, 203.0.113.7"}
    client.open(path, method=method, json={"name": "Leo"}, headers=headers)
    (record,) = caplog.records
    assert " ms for 203.0.113.7 (" in record.getMessage()
