from pathlib import Path
from typing import Any

import pytest
from flask_restful import Resource

from model_serving.errors import ConfigError, DeclarationError
from model_serving.serving import Model
from model_serving.web import Example, ModelResource
from tests.conftest import MakeClient

NUMBER: dict[str, Any] = {"type": "number"}


class AddModel(Model):
    """Add a constant.

    This paragraph is not for callers.
    """

    version = "2.1"

    def __init__(self, constant: float = 1) -> None:
        self.constant = constant

    def predict(self, instances: list[Any]) -> list[Any]:
        return [number + self.constant for number in instances]


class AddModelResource(ModelResource):
    model = AddModel
    schema = NUMBER
    response_schema = {"properties": {"result": NUMBER}}
    examples = (Example(1, {"result": 2}),)


class OwnPostModel(AddModel):
    """Answer in its own way."""


class OwnPostModelResource(ModelResource):
    model = OwnPostModel
    schema = NUMBER
    response_schema = NUMBER
    examples = ()

    def post(self) -> Any:
        return {"own": self.runtime.predict("OwnPostModel", 1)}


def test_resource_validates_predicts_and_answers(make_client: MakeClient) -> None:
    client = make_client(AddModelResource)
    assert client.post("/v1/AddModel", json=41).get_json() == {"result": 42}
    assert client.post("/v1/AddModel", json="x").status_code == 400


def test_resource_reads_the_file_of_its_model(make_client: MakeClient, tmp_path: Path) -> None:
    (tmp_path / "add_model.conf").write_text("[model]\nconstant = 0.5\n")
    assert make_client(AddModelResource).post("/v1/AddModel", json=1).get_json() == {"result": 1.5}


def test_resource_with_a_wrong_model_setting_stops_the_start(
    make_client: MakeClient, tmp_path: Path
) -> None:
    (tmp_path / "add_model.conf").write_text("[model]\nconstants = 1\n")
    with pytest.raises(ConfigError, match=r"add_model\.conf: AddModel has no setting 'constants'"):
        make_client(AddModelResource)


def test_resource_describes_its_model(make_client: MakeClient) -> None:
    assert make_client(AddModelResource).get("/v1/AddModel").get_json() == {
        "name": "AddModel",
        "url": "/v1/AddModel",
        "description": "Add a constant.",
        "version": "2.1",
        "state": "ready",
        "jobs": "/v1/AddModel/jobs",
        "schema": AddModelResource.schema,
        "response_schema": AddModelResource.response_schema,
        "examples": [{"request": 1, "response": {"result": 2}}],
    }


def test_resource_with_its_own_post_is_validated_too(make_client: MakeClient) -> None:
    client = make_client(OwnPostModelResource)
    assert client.post("/v1/OwnPostModel", json=0).get_json() == {"own": 2}
    assert client.post("/v1/OwnPostModel", json="x").status_code == 400


def test_resource_that_is_listed_twice_stops_the_start(make_client: MakeClient) -> None:
    with pytest.raises(DeclarationError, match="AddModelResource is listed more than once"):
        make_client(AddModelResource, AddModelResource)


def declared(name: str, **changes: Any) -> type[Resource]:
    """Return a resource that declares something else than AddModelResource."""
    declaration = {
        "model": AddModel,
        "schema": NUMBER,
        "response_schema": NUMBER,
        "examples": (),
    } | changes
    kept = {key: value for key, value in declaration.items() if value is not None}
    return type(name, (ModelResource,), kept)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": None}, "AddModelResource declares no schema"),
        ({"examples": None}, "AddModelResource declares no examples"),
        ({"schema": {"type": "nmber"}}, "AddModelResource: the schema is wrong at /type"),
        (
            {"response_schema": {"type": 1}},
            "AddModelResource, response_schema: the schema is wrong",
        ),
        (
            {"examples": [Example("x", 1)]},
            "AddModelResource: an example breaks its schema: 'x' is not of type 'number'",
        ),
        ({"examples": [Example(1, "x")]}, "AddModelResource: an example breaks its schema"),
        ({"model": OwnPostModel}, "its name must be OwnPostModelResource"),
        ({"model": int}, "int is not a subclass of Model"),
    ],
    ids=["no schema", "no examples", "schema", "response", "request", "answer", "name", "class"],
)
def test_wrong_declaration_stops_the_start_and_names_the_resource(
    make_client: MakeClient, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(DeclarationError) as raised:
        make_client(declared("AddModelResource", **changes))
    assert says in str(raised.value)
