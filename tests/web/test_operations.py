from typing import Any, ClassVar

import pytest
from flask.testing import FlaskClient

from model_serving.serving import Model
from model_serving.web import Example, ModelResource
from tests.conftest import MakeClient

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class BrokenModel(Model):
    """Fail to load."""

    def __init__(self) -> None:
        raise OSError("no weights")

    def predict(self, instances: list[Any]) -> list[Any]:
        return instances


class BrokenModelResource(ModelResource):
    model = BrokenModel
    schema: ClassVar[dict[str, Any]] = {}
    response_schema: ClassVar[dict[str, Any]] = {}
    examples = (Example(1, 1),)


def test_health_answers_though_a_model_is_broken(make_client: MakeClient) -> None:
    answer = make_client(BrokenModelResource).get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "alive"})


@pytest.mark.parametrize("url", ["/readyz", "/_ah/warmup"])
def test_readiness_is_200_when_every_model_is_loaded(client: FlaskClient, url: str) -> None:
    answer = client.get(url)
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("url", ["/readyz", "/_ah/warmup"])
def test_readiness_names_the_model_and_the_reason(make_client: MakeClient, url: str) -> None:
    answer = make_client(BrokenModelResource).get(url)
    assert answer.status_code == 503
    assert answer.get_json() == {
        "message": "BrokenModel: OSError: no weights",
        "models": {"BrokenModel": "failed"},
    }


def test_model_that_is_not_ready_answers_503_without_internals(make_client: MakeClient) -> None:
    client = make_client(BrokenModelResource)
    answer = client.post("/v1/BrokenModel", json=1)
    assert (answer.status_code, answer.get_json()) == (503, {"message": "BrokenModel is not ready"})
    assert client.get("/v1/BrokenModel").get_json()["state"] == "failed"


@pytest.mark.parametrize("url", ["/v1", "/"])
def test_list_names_every_model(client: FlaskClient, url: str) -> None:
    models = {model["name"]: model for model in client.get(url).get_json()["models"]}
    first = {
        "name": "XXXModel",
        "url": "/v1/XXXModel",
        "description": "Greet by name.",
        "version": "1",
        "state": "ready",
        "jobs": "/v1/XXXModel/jobs",
    }
    assert models["XXXModel"] == first
    assert models.keys() > {"EchoModel", "POSModel", "NERModel", "DigitsModel"}


@pytest.mark.parametrize(
    ("accept", "status"),
    [(BROWSER, 302), ("text/html", 302), ("*/*", 200), ("application/json", 200), (None, 200)],
    ids=["browser", "html", "curl", "json", "none"],
)
def test_root_leads_a_browser_to_the_docs(
    client: FlaskClient, accept: str | None, status: int
) -> None:
    answer = client.get("/", headers={"Accept": accept} if accept else {})
    assert answer.status_code == status
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers.get("Location") == ("/docs/" if status == 302 else None)
