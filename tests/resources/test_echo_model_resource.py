import base64
import os

import pytest
from flask.testing import FlaskClient

URL = "/v1/EchoModel"


@pytest.mark.parametrize("message", ["hi", "", "世界 & more"])
def test_echo_answers_a_query_and_a_body_alike(client: FlaskClient, message: str) -> None:
    expected = {"response": message, "success": True}
    assert client.get(URL, query_string={"msg": message}).get_json() == expected
    assert client.post(URL, json={"msg": message}).get_json() == expected


def test_echo_without_a_message_has_no_success(client: FlaskClient) -> None:
    assert client.get(URL).get_json() == {"success": False}
    assert client.post(URL, json={}).get_json() == {"success": False}


def test_echo_returns_a_picture_of_5_mb_byte_for_byte(client: FlaskClient) -> None:
    picture = os.urandom(5_000_000)
    answer = client.post(URL, json={"msg": base64.b64encode(picture).decode()}).get_json()
    assert base64.b64decode(answer["response"]) == picture


def test_echo_of_something_else_than_text_is_answered_400(client: FlaskClient) -> None:
    answer = client.post(URL, json={"msg": 5})
    assert answer.status_code == 400
    assert answer.get_json() == {"message": "5 is not of type 'string'", "path": "/msg"}
