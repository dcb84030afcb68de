import pytest
from flask.testing import FlaskClient

from model_serving.resources.xxx_model_resource import XXXModelResource
from tests.conftest import MakeClient

ORIGIN = "Access-Control-Allow-Origin"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}


@pytest.mark.parametrize("body", [{"name": "Leo"}, {}], ids=["answer", "error"])
def test_any_origin_may_call_by_default(client: FlaskClient, body: dict[str, str]) -> None:
    answer = client.post("/v1/XXXModel", json=body, headers={"Origin": "https://a.example"})
    assert answer.headers[ORIGIN] in {"*", "https://a.example"}
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


def test_preflight_allows_a_json_post(client: FlaskClient) -> None:
    headers = {"Origin": "https://a.example", **PREFLIGHT}
    answer = client.options("/v1/XXXModel", headers=headers)
    assert answer.status_code == 200
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("https://a.example", True), ("https://b.example", False), ("https://a.example.evil", False)],
)
def test_setting_restricts_the_origins(make_client: MakeClient, origin: str, allowed: bool) -> None:
    client = make_client(XXXModelResource, cors_origins=("https://a.example",))
    answer = client.post("/v1/XXXModel", json={"name": "Leo"}, headers={"Origin": origin})
    assert answer.headers.get(ORIGIN) == (origin if allowed else None)
