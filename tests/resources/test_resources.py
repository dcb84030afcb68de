"""What holds for every shipped resource, drawn from its declaration."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from model_serving.config import CONF_DIR
from model_serving.model_conf import load_model_conf
from model_serving.resources import RESOURCES
from model_serving.serving import Model, ModelSpecification
from model_serving.serving.model import predict_batch
from model_serving.serving.runtime import InProcessRuntime
from model_serving.web import ModelResource
from model_serving.web.uploads import FileFields

Shipped = type[ModelResource]


@pytest.fixture(scope="module", params=RESOURCES, ids=lambda resource: resource.__name__)
def shipped(request: pytest.FixtureRequest) -> Shipped:
    resource: Shipped = request.param
    return resource


@pytest.fixture(scope="module")
def model(shipped: Shipped) -> Model:
    conf = load_model_conf(shipped.model.__name__)
    return ModelSpecification(shipped.model, conf).build()


def close_to(expected: Any) -> Any:
    """Return what compares equal to ``expected`` up to the rounding of its floats."""
    if isinstance(expected, dict):
        return {key: close_to(value) for key, value in expected.items()}
    if isinstance(expected, list):
        return [close_to(value) for value in expected]
    return pytest.approx(expected, abs=1e-4) if isinstance(expected, float) else expected


def test_example_is_answered_as_declared(client: FlaskClient, shipped: Shipped) -> None:
    assert shipped.examples
    for example in shipped.examples:
        answer = client.post(f"/v1/{shipped.model.__name__}", json=example.request)
        assert (answer.status_code, answer.get_json()) == (200, close_to(example.response))


def test_batch_answers_exactly_as_single_calls(shipped: Shipped, model: Model) -> None:
    resource = shipped(InProcessRuntime([]))
    bodies = [FileFields(shipped.schema).decode(example.request) for example in shipped.examples]
    instances = [resource.to_instance(body) for body in bodies] * 3
    assert predict_batch(model, instances) == [
        predict_batch(model, [instance])[0] for instance in instances
    ]


def test_resource_has_its_files(shipped: Shipped) -> None:
    name = shipped.__module__.rpartition(".")[2].removesuffix("_resource")
    assert shipped.model.__module__ == f"model_serving.models.{name}"
    assert (CONF_DIR / f"{name}.conf").is_file()


@pytest.mark.parametrize("body", [[], 5, "text", None], ids=repr)
def test_body_that_is_no_object_is_answered_400(
    client: FlaskClient, shipped: Shipped, body: Any
) -> None:
    assert client.post(f"/v1/{shipped.model.__name__}", json=body).status_code == 400
