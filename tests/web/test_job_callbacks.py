"""A job whose callback can never be made is refused at once."""

import pytest

from model_serving.resources.xxx_model_resource import XXXModelResource
from tests.conftest import MakeClient


@pytest.mark.parametrize(
    ("url", "settings", "why"),
    [
        ("http://127.0.0.1/", {"callback_secret": "s" * 16}, "not public"),
        ("http://10.1.2.3:80/", {"callback_secret": "s" * 16}, "not public"),
        ("ftp://example.com/", {"callback_private": True}, "http:// or https://"),
        ("https://example.com/", {}, "no callback_secret"),
    ],
    ids=["loopback", "private", "scheme", "no-secret"],
)
def test_job_whose_callback_cannot_be_made_is_refused(
    make_client: MakeClient, url: str, settings: dict[str, str | bool], why: str
) -> None:
    client = make_client(XXXModelResource, **settings)
    query = {"callback_url": url}
    answer = client.post("/v1/XXXModel/jobs", query_string=query, json={"name": "Leo"})
    assert answer.status_code == 400
    assert why in answer.get_json()["message"]
    assert answer.get_json()["path"] == "/callback_url"
