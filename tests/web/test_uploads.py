"""A file field takes base64 in JSON and a part of a form, and the model gets the same bytes."""

import base64
import hashlib
import io
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient
from flask_restful import Resource

from model_serving.errors import DeclarationError
from model_serving.resources.xxx_model_resource import XXXModelResource
from model_serving.serving import Model
from model_serving.web import Example, ModelResource, validate_json
from model_serving.web.request import current_request
from model_serving.web.uploads import FileFields
from tests.conftest import MakeClient

CONTENT = bytes(range(256)) * 4
FILE = {
    "type": "string",
    "contentEncoding": "base64",
    "contentMediaType": "application/octet-stream",
}


class HashModel(Model):
    """Hash a file."""

    def predict(self, instances: list[Any]) -> list[Any]:
        return [
            [hashlib.sha256(instance["file"]).hexdigest(), instance.get("times", 1)]
            for instance in instances
        ]


class HashModelResource(ModelResource):
    model = HashModel
    schema = {
        "type": "object",
        "properties": {
            "file": FILE,
            "times": {"type": "integer", "minimum": 1},
            "note": {"type": "string"},
        },
        "required": ["file"],
        "additionalProperties": False,
    }
    response_schema = {"type": "object"}
    examples = (Example({"file": "AAEC"}, {}),)


@pytest.fixture
def client(make_client: MakeClient) -> FlaskClient:
    return make_client(HashModelResource)


class Part(NamedTuple):
    """A file of a form."""

    content: bytes = CONTENT
    name: str = "a.bin"


def sent(form: dict[str, Any]) -> dict[str, Any]:
    """Return what sends a form; it can be used once."""

    def opened(value: Any) -> Any:
        if isinstance(value, list):
            return [opened(one) for one in value]
        return (io.BytesIO(value.content), value.name) if isinstance(value, Part) else value

    return {
        "data": {name: opened(value) for name, value in form.items()},
        "content_type": "multipart/form-data",
    }


def post(client: FlaskClient, form: dict[str, Any]) -> tuple[int, Any]:
    answer = client.post("/v1/HashModel", **sent(form))
    return answer.status_code, answer.get_json()


def test_file_is_the_same_as_base64_and_as_a_part(client: FlaskClient) -> None:
    expected = {"result": [hashlib.sha256(CONTENT).hexdigest(), 2]}
    body = {"file": base64.b64encode(CONTENT).decode(), "times": 2}
    assert client.post("/v1/HashModel", json=body).get_json() == expected
    assert post(client, {"file": Part(), "times": "2", "note": "5"}) == (200, expected)


def test_empty_file_is_a_file(client: FlaskClient) -> None:
    expected = {"result": [hashlib.sha256(b"").hexdigest(), 1]}
    assert post(client, {"file": Part(b"")}) == (200, expected)
    assert client.post("/v1/HashModel", json={"file": ""}).get_json() == expected


@pytest.mark.parametrize(
    ("form", "message", "path"),
    [
        ({}, "'file' is a required property", None),
        ({"file": "text"}, "'file' must be sent as a file", "/file"),
        ({"file": Part(), "note": Part()}, "'note' is not a file field; file is", "/note"),
        ({"file": Part(), "other": Part()}, "'other' is not a file field", "/other"),
        ({"file": Part(), "other": "x"}, "('other' was unexpected)", None),
        ({"file": [Part(), Part()]}, "'file' is there more than once", "/file"),
        ({"file": Part(), "note": ["a", "b"]}, "'note' is there more than once", "/note"),
        ({"file": Part(), "times": "0"}, "0 is less than the minimum of 1", "/times"),
        ({"file": Part(), "times": "two"}, "'two' is not of type 'integer'", "/times"),
        ({"file": Part(), "times": "1.5"}, "1.5 is not of type 'integer'", "/times"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_form_is_answered_400(
    client: FlaskClient, form: dict[str, Any], message: str, path: str | None
) -> None:
    status, body = post(client, form)
    assert (status, body.get("path")) == (400, path)
    assert message in body["message"]


@pytest.mark.parametrize("text", ["AAE", "A===", "AA EC", "not base64!", "é"])
def test_text_that_is_not_base64_is_answered_400(client: FlaskClient, text: str) -> None:
    answer = client.post("/v1/HashModel", json={"file": text})
    assert answer.status_code == 400
    assert answer.get_json() == {"message": "'file' is not base64 text", "path": "/file"}


# Werkzeug leaves the closing of what it had received to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("end", "kind"),
    [
        pytest.param(b"", "; boundary=x", id="in-a-part"),
        pytest.param(b"\r\n--x\r\nContent-Disp", "; boundary=x", id="in-a-head"),
        pytest.param(b"\r\n--x", "; boundary=x", id="in-the-end"),
        pytest.param(b"\r\n--x--\r\n", "", id="no-boundary"),
    ],
)
def test_form_that_breaks_off_is_answered_400(client: FlaskClient, end: bytes, kind: str) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
    answer = client.post(
        "/v1/HashModel", data=part + end, content_type=f"multipart/form-data{kind}"
    )
    assert answer.status_code == 400
    message = "The form cannot be read: it has no boundary, or no end"
    assert answer.get_json() == {"message": message}


def test_urlencoded_form_is_no_json(client: FlaskClient) -> None:
    answer = client.post("/v1/HashModel", data={"file": "x"})
    assert (answer.status_code, answer.get_json()) == (400, {"message": "No JSON object"})


def test_form_to_a_resource_without_files_is_no_json(make_client: MakeClient) -> None:
    answer = make_client(XXXModelResource).post("/v1/XXXModel", **sent({"name": Part()}))
    assert (answer.status_code, answer.get_json()) == (400, {"message": "No JSON object"})


@pytest.mark.parametrize("disposition", ["form-data", 'form-data; filename="a"'])
def test_part_without_a_name_is_answered_400(client: FlaskClient, disposition: str) -> None:
    answer = client.post(
        "/v1/HashModel",
        data=f"--x\r\nContent-Disposition: {disposition}\r\n\r\nabc\r\n--x--\r\n",
        content_type="multipart/form-data; boundary=x",
    )
    assert answer.status_code == 400
    assert answer.get_json() == {"message": "A part of the form has no name"}


def test_form_of_too_many_parts_is_answered_413(client: FlaskClient) -> None:
    status, body = post(client, {f"field{number}": "x" for number in range(1500)})
    assert (status, body) == (413, {"message": "The form has too many parts"})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": FILE},
        {"properties": {"files": {"type": "array", "prefixItems": [FILE]}}},
        {"properties": {"inner": {"properties": {"file": FILE}}}},
        {"properties": {"file": FILE}, "anyOf": [{"properties": {"other": FILE}}]},
    ],
    ids=["root", "array", "inner", "choice"],
)
def test_file_elsewhere_in_a_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match="A: only a property of the body itself can be a"):
        FileFields(schema, "A")


class FormModel(Model):
    """Return what a form was read as."""

    def predict(self, instances: list[Any]) -> list[Any]:
        return [[instance[key] for key in "abcd"] for instance in instances]


class FormModelResource(ModelResource):
    model = FormModel
    schema = {
        "$defs": {"whole": {"type": "integer"}},
        "type": "object",
        "properties": {
            "file": FILE,
            "a": {"$ref": "#/$defs/whole"},
            "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "c": {"enum": [1, "1a", [2]]},
            "d": {"type": ["string", "integer"]},
        },
    }
    response_schema = {"type": "object"}
    examples = (Example({"file": "", "a": 1, "b": None, "c": 1, "d": "5"}, {}),)


def test_field_of_a_form_is_read_as_its_schema_accepts_it(make_client: MakeClient) -> None:
    client = make_client(FormModelResource)
    form = {"file": Part(), "a": "5", "b": "null", "c": "[2]", "d": "5"}
    answer = client.post("/v1/FormModel", **sent(form))
    assert answer.get_json() == {"result": [5, None, [2], "5"]}


class PlainFileResource(Resource):
    """A plain resource that takes a file."""

    @validate_json(HashModelResource.schema)
    def post(self) -> Any:
        return {"size": len(current_request().json["file"])}


def test_plain_resource_gets_the_same_bytes_from_json_and_form(make_client: MakeClient) -> None:
    client = make_client(PlainFileResource)
    text = base64.b64encode(CONTENT).decode()
    assert client.post("/v1/PlainFile", json={"file": text}).get_json() == {"size": 1024}
    form = {"file": Part()}
    answer = client.post("/v1/PlainFile", **sent(form))
    assert answer.get_json() == {"size": 1024}


def test_file_field_with_a_keyword_for_its_text_is_refused(make_client: MakeClient) -> None:
    class LongModel(HashModel):
        """Declare too much."""

    class LongModelResource(HashModelResource):
        model = LongModel
        schema = {"type": "object", "properties": {"file": FILE | {"maxLength": 5}}}

    with pytest.raises(DeclarationError, match=r"LongModelResource: .*'maxLength' does not apply"):
        make_client(LongModelResource)
