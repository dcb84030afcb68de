import json
import re
from typing import Any

import pytest
from flask_restful import Resource

from model_serving.errors import DeclarationError, InvalidBody
from model_serving.web.request import current_request
from model_serving.web.validation import BodyValidator, validate_json
from tests.conftest import MakeClient

NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


class PlainResource(Resource):
    """A resource as Flask-RESTful's documentation would write it."""

    @validate_json(NAME)
    def post(self) -> Any:
        return {"hello": current_request().json["name"]}

    @validate_json(NAME, force=True)
    def put(self) -> Any:
        return {"hello": current_request().get_json(force=True)["name"]}


def error_of(schema: dict[str, Any], body: Any) -> InvalidBody:
    with pytest.raises(InvalidBody) as raised:
        BodyValidator(schema, "a test").check(body)
    return raised.value


@pytest.mark.parametrize(
    ("schema", "body", "message", "path"),
    [
        (NAME, {}, "'name' is a required property", ""),
        (NAME, {"name": 5}, "5 is not of type 'string'", "/name"),
        (NAME, None, "None is not of type 'object'", ""),
        (
            {"items": {"properties": {"a/b~": {"maximum": 3}}}},
            [{}, {"a/b~": 4}],
            "4 is greater than the maximum of 3",
            "/1/a~1b~0",
        ),
        (
            {"additionalProperties": False},
            {"x": 1},
            "Additional properties are not allowed ('x' was unexpected)",
            "",
        ),
        (
            {"$defs": {"A": {"minLength": 2}}, "properties": {"a": {"$ref": "#/$defs/A"}}},
            {"a": "x"},
            "'x' is too short",
            "/a",
        ),
        (
            {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
            {"a": 1},
            "1 is not valid under any of the given schemas",
            "/a",
        ),
        ({"allOf": [{"required": ["q"]}]}, {}, "'q' is a required property", ""),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1}, "'b' is a", ""),
        ({"properties": {"a": False}}, {"a": 1}, "False schema does not allow 1", "/a"),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "'ab' is too long", ""),
        ({"pattern": "^a+$"}, "b", "'b' does not match '^a+$'", ""),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "'b' is a dependency of 'a'", ""),
        ({"maxItems": 1}, [1, 2], "[1, 2] is too long", ""),
        ({"properties": {"1": {"type": "string"}}}, {"1": 2}, "2 is not of type 'string'", "/1"),
        ({"additionalProperties": False, "properties": {"01": False}}, {"01": 2}, "", "/01"),
        ({"additionalProperties": {"type": "null"}}, {"00": 2, "x": None}, "2 is not of", "/00"),
    ],
)
def test_validator_names_what_is_wrong_and_where(
    schema: dict[str, Any], body: Any, message: str, path: str
) -> None:
    error = error_of(schema, body)
    assert message in error.message
    assert error.path == path


@pytest.mark.parametrize(
    ("schema", "body", "message"),
    [
        ({"maxItems": 9}, [0.5] * 100_000, 'The value breaks its schema: {"maxItems":9}'),
        ({"maxLength": 9}, "x" * 100_000, 'The value breaks its schema: {"maxLength":9}'),
        ({"type": "object"}, [0] * 100_000, 'The value breaks its schema: {"type":"object"}'),
        (NAME, {"x": [0] * 100_000}, "'name' is a required property"),
        (
            {"additionalProperties": False},
            {f"key{n}": n for n in range(9999)},
            'The value breaks its schema: {"additionalProperties":false}',
        ),
    ],
    ids=["items", "length", "type", "missing", "unexpected"],
)
def test_validator_prints_no_large_part(schema: dict[str, Any], body: Any, message: str) -> None:
    error = error_of(schema, body)
    assert message in error.message
    assert len(error.message) < 1100


def test_validator_is_not_stopped_by_a_pattern_that_python_would_hang_on() -> None:
    error = error_of({"pattern": "^(a+)+$"}, "a" * 60 + "!")
    assert "does not match" in error.message


@pytest.mark.parametrize("depth", [200, 1000])
def test_validator_is_not_stopped_by_deep_nesting(depth: int) -> None:
    null_or_array = {"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#/$defs/A"}}]}
    schema = {"$defs": {"A": null_or_array}, "$ref": "#/$defs/A"}
    null: Any = None
    text: Any = "neither"
    for _ in range(depth):
        null, text = [null], [text]
    BodyValidator(schema, "a test").check(null)
    expected = {"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#/$defs/A"}}]}
    message = error_of(schema, text).message
    assert json.loads(message.removeprefix("The value breaks its schema: ")) == expected


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "objct"}, "a test: the schema is wrong at /type: 'objct' is not valid"),
        ({"properties": []}, "a test: the schema is wrong at /properties: [] is not of type"),
        ({"pattern": "(("}, "a test: the schema is wrong at /pattern: "),
        ({"$ref": "#/$defs/none"}, "Pointer '/$defs/none' does not exist"),
        ({"$ref": "http://example.com/schema.json"}, "Retrieval is disabled"),
    ],
    ids=["type", "properties", "pattern", "missing reference", "remote reference"],
)
def test_validator_refuses_a_wrong_schema(schema: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(says)):
        BodyValidator(schema, "a test")


def test_validator_follows_references_to_any_part_of_the_schema() -> None:
    schema = {
        "properties": {"a": {"$ref": "#/allOf/0"}, "b": {"$ref": "#"}},
        "allOf": [{"maxLength": 1}],
    }
    assert error_of(schema, {"b": {"a": "xy"}}).path == "/b/a"


@pytest.mark.parametrize("name", ["default", "enum", "const", "examples", "$ref", "items", "type"])
def test_validator_takes_the_names_of_keywords_for_properties(name: str) -> None:
    schema = {
        "$defs": {"text": {"type": "string"}},
        "properties": {name: {"$ref": "#/$defs/text"}},
        "default": {"$ref": "#/no/schema"},
    }
    error = error_of(schema, {name: 1})
    assert (error.message, error.path) == ("1 is not of type 'string'", f"/{name}")


@pytest.mark.parametrize(
    "schema",
    [
        {"requierd": ["a"]},
        {"dependencies": {"a": ["b"]}},
        {"items": {"unevaluatedProperties": False}},
        {"$defs": {"A": {"$dynamicRef": "#a"}}},
    ],
    ids=["slip", "older draft", "inside", "dynamic"],
)
def test_validator_refuses_keywords_it_does_not_document(schema: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match="a test: the schema has an unknown keyword"):
        BodyValidator(schema, "a test")


def test_validate_json_names_the_method_with_the_wrong_schema() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.post: the schema is wrong"):

        class Wrong(Resource):
            @validate_json({"type": "objct"})
            def post(self) -> Any:
                return {}


def test_validate_json_lets_a_plain_resource_read_the_request(make_client: MakeClient) -> None:
    client = make_client(PlainResource)
    assert client.post("/v1/Plain", json={"name": "Leo"}).json == {"hello": "Leo"}
    answer = client.post("/v1/Plain", json={})
    assert (answer.status_code, answer.json) == (400, {"message": "'name' is a required property"})


def test_validate_json_with_force_reads_a_body_of_any_type(make_client: MakeClient) -> None:
    client = make_client(PlainResource)
    assert client.post("/v1/Plain", data='{"name": "Leo"}').json == {"message": "No JSON object"}
    assert client.put("/v1/Plain", data='{"name": "Leo"}').json == {"hello": "Leo"}
