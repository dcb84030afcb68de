from typing import Any, ClassVar

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from model_serving.resources import RESOURCES
from model_serving.serving import Model
from model_serving.web import Answer, Documentation, Example, ModelResource, documented
from model_serving.web.openapi import Route, build_openapi
from tests.conftest import MakeClient


@pytest.fixture(scope="module")
def document(client: FlaskClient) -> Any:
    return client.get("/openapi.json").get_json()


def validator_of(schema: Any, document: Any) -> Draft202012Validator:
    """Return the validator of a schema that refers to the document's components."""
    return Draft202012Validator({**schema, "components": document["components"]})


def test_document_is_valid_openapi(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_document_has_every_route_and_method(client: FlaskClient, document: Any) -> None:
    routes = {
        rule.rule.replace("<", "{").replace(">", "}"): {
            method.lower() for method in rule.methods or ()
        }
        - {"head", "options"}
        for rule in client.application.url_map.iter_rules()
        if rule.endpoint != "swagger_ui.show"
    }
    assert {url: set(methods) for url, methods in document["paths"].items()} == routes


def test_document_holds_the_schemas_and_examples_of_the_resources(document: Any) -> None:
    post = document["paths"]["/v1/XXXModel"]["post"]
    content = post["requestBody"]["content"]["application/json"]
    assert content["examples"]["example 1"]["value"] == {"name": "Leo"}
    answer = post["responses"]["200"]["content"]["application/json"]
    assert answer["examples"]["example 1"]["value"] == {"result": "Hello, Leo!"}
    assert post["description"] == "Greet by name."
    name = content["schema"]["$ref"].rpartition("/")[2]
    assert document["components"]["schemas"][name]["required"] == ["name"]
    errors = {"400", "413", "422", "429", "500", "503", "504", "507"}
    assert set(post["responses"]) == errors | {"200", "202"}


def test_document_says_what_a_job_may_be(document: Any) -> None:
    post = document["paths"]["/v1/DigitsModel/jobs"]["post"]
    content = post["requestBody"]["content"]
    assert content.keys() > {"application/json", "multipart/form-data", "text/csv"}
    validator = validator_of(content["application/json"]["schema"], document)
    assert validator.is_valid({"instances": [{"picture": ""}]})
    assert not validator.is_valid({"instances": [{}]})
    assert post["responses"]["202"]["headers"].keys() == {"Location"}
    assert {one["name"] for one in post["parameters"]} == {
        "priority",
        "callback_url",
        "Idempotency-Key",
    }


def test_document_says_what_an_operation_of_its_own_takes(document: Any) -> None:
    (parameter,) = document["paths"]["/v1/EchoModel"]["get"]["parameters"]
    assert (parameter["name"], parameter["in"]) == ("msg", "query")


@pytest.mark.parametrize(
    "url", ["/healthz", "/readyz", "/v1", "/v1/XXXModel", "/v1/EchoModel", "/"]
)
def test_answers_are_what_the_document_says(client: FlaskClient, document: Any, url: str) -> None:
    answers = document["paths"][url]["get"]["responses"]
    schema = answers["200"]["content"]["application/json"]["schema"]
    answer = client.get(url)
    validator_of(schema, document).validate(answer.get_json())
    assert answer.status_code == 200


def test_every_model_has_an_operation_for_its_prediction(document: Any) -> None:
    names = {resource.__name__.removesuffix("Resource") for resource in RESOURCES}
    assert {f"/v1/{name}" for name in names} <= set(document["paths"])


class TreeModel(Model):
    """Take a tree and a picture."""

    def predict(self, instances: list[Any]) -> list[Any]:
        return instances


class TreeModelResource(ModelResource):
    model = TreeModel
    schema = {
        "$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
        "type": "object",
        "properties": {
            "tree": {"$ref": "#/$defs/tree"},
            "picture": {
                "type": "string",
                "contentEncoding": "base64",
                "contentMediaType": "image/png",
            },
        },
    }
    response_schema: ClassVar[dict[str, Any]] = {}
    examples = (Example({"tree": [[]]}, {}),)


class OwnWordsResource(ModelResource):
    model = TreeModel
    schema = TreeModelResource.schema
    response_schema: ClassVar[dict[str, Any]] = {}
    examples = TreeModelResource.examples

    @documented(Documentation("My own words", {200: Answer("A picture")}, errors=()))
    def post(self) -> Any:
        return {}


def test_document_lets_a_post_of_its_own_speak_for_itself() -> None:
    document = build_openapi([Route("/v1/OwnWords", "OwnWords", OwnWordsResource)])
    post = document["paths"]["/v1/OwnWords"]["post"]
    assert post["summary"] == "My own words"
    assert post["responses"] == {"200": {"description": "A picture"}}


def test_references_and_files_of_a_schema_work_in_the_document(make_client: MakeClient) -> None:
    document = make_client(TreeModelResource).get("/openapi.json").get_json()
    OpenAPIV31SpecValidator(document).validate()
    content = document["paths"]["/v1/TreeModel"]["post"]["requestBody"]["content"]
    validator = validator_of(content["application/json"]["schema"], document)
    assert validator.is_valid({"tree": [[[]]]})
    assert not validator.is_valid({"tree": [[5]]})
    form = document["components"]["schemas"]["TreeModel_post_form"]
    assert form["properties"]["picture"]["format"] == "binary"
