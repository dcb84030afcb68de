"""Several files in one field, files of the wrong type, and files that are too much."""

import base64
import gzip
import io
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image

from model_serving.errors import DeclarationError
from model_serving.serving import Model
from model_serving.web import ModelResource
from model_serving.web.content import can_be_told, holds
from model_serving.web.uploads import FileFields
from tests.conftest import MakeClient
from tests.web.test_uploads import Part, sent


def picture(kind: str = "PNG", side: int = 2) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(file, kind)
    return file.getvalue()


PICTURE = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}
PICTURES = {"type": "array", "items": PICTURE, "minItems": 1, "maxItems": 3}
PNG, JPEG = picture("PNG"), picture("JPEG")
LIMITS = {"max_file_bytes": 1000, "max_files": 2}


class SizesModel(Model):
    """Tell the sizes of files."""

    def predict(self, instances: list[Any]) -> list[Any]:
        return [
            {
                name: [len(file) for file in value] if isinstance(value, list) else len(value)
                for name, value in instance.items()
            }
            for instance in instances
        ]


class SizesModelResource(ModelResource):
    model = SizesModel
    schema = {
        "type": "object",
        "properties": {
            "one": PICTURE,
            "many": PICTURES,
            "any": {"anyOf": [PICTURE, PICTURES]},
            "text": PICTURE | {"contentMediaType": "text/csv"},
            "json": PICTURE | {"contentMediaType": "application/json"},
            "pdf": PICTURE | {"contentMediaType": "application/pdf"},
        },
        "additionalProperties": False,
    }
    response_schema = {"type": "object"}
    examples = ()


@pytest.fixture
def client(make_client: MakeClient) -> FlaskClient:
    return make_client(SizesModelResource, **LIMITS)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def by_json(client: FlaskClient, body: dict[str, Any]) -> tuple[int, Any]:
    coded = {
        name: [text(one) for one in value] if isinstance(value, list) else text(value)
        for name, value in body.items()
    }
    answer = client.post("/v1/SizesModel", json=coded)
    return answer.status_code, answer.get_json()


def by_form(client: FlaskClient, body: dict[str, Any]) -> tuple[int, Any]:
    form = {
        name: [Part(one) for one in value] if isinstance(value, list) else Part(value)
        for name, value in body.items()
    }
    answer = client.post("/v1/SizesModel", **sent(form))
    return answer.status_code, answer.get_json()


both = pytest.mark.parametrize("ask", [by_json, by_form])


@both
def test_field_of_several_files_is_a_list(client: FlaskClient, ask: Any) -> None:
    assert ask(client, {"many": [PNG, JPEG]}) == (200, {"result": {"many": [len(PNG), len(JPEG)]}})
    assert ask(client, {"any": [PNG, JPEG]}) == (200, {"result": {"any": [len(PNG), len(JPEG)]}})


@both
def test_field_of_one_or_several_files_is_always_a_list(client: FlaskClient, ask: Any) -> None:
    assert ask(client, {"any": PNG}) == (200, {"result": {"any": [len(PNG)]}})


def test_one_part_is_a_list_of_one(client: FlaskClient) -> None:
    assert by_form(client, {"many": PNG}) == (200, {"result": {"many": [len(PNG)]}})


def test_schema_judges_how_many_parts_there_are(make_client: MakeClient) -> None:
    status, body = by_form(make_client(SizesModelResource), {"many": [PNG] * 4})
    assert (status, body["path"]) == (400, "/many")
    assert "is too long" in body["message"]


@both
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"one": b"<html>"}, "/one"),
        ({"one": b"%PDF-1.4"}, "/one"),
        ({"one": b""}, "/one"),
        ({"text": b"a,b\n\xff"}, "/text"),
        ({"text": b"a\0b"}, "/text"),
        ({"json": b"{"}, "/json"),
        ({"pdf": PNG}, "/pdf"),
    ],
    ids=["page", "pdf", "empty", "latin", "nul", "json", "png"],
)
def test_content_of_another_type_is_answered_400(
    client: FlaskClient, ask: Any, body: dict[str, Any], path: str
) -> None:
    status, told = ask(client, body)
    assert status == 400
    assert told["path"] == path
    assert "is not a file of the type" in told["message"]


@both
def test_content_of_its_type_is_taken(client: FlaskClient, ask: Any) -> None:
    body = {"text": b"a,b\n1,2", "json": b"{}"}
    assert ask(client, body) == (200, {"result": {"text": 7, "json": 2}})


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("BMP", "image/bmp"), ("ICO", "image/vnd.microsoft.icon"), ("GZ", "application/gzip")],
)
def test_every_type_that_can_be_told_is_told(kind: str, media_type: str) -> None:
    content = gzip.compress(b"text") if kind == "GZ" else picture(kind, 16)
    assert can_be_told(media_type)
    assert holds(content, media_type)


@pytest.mark.parametrize("depth", [1, 900, 1020])
def test_lists_in_lists_are_no_files(client: FlaskClient, depth: int) -> None:
    body = b'{"many": ' + b"[" * depth + b"1" + b"]" * depth + b"}"
    answer = client.post("/v1/SizesModel", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.get_json()["path"].startswith("/many")


def test_fault_in_a_list_names_its_place(client: FlaskClient) -> None:
    assert by_json(client, {"many": [PNG, b"x"]})[1]["path"] == "/many/1"


@both
def test_file_that_is_too_large_is_answered_413(client: FlaskClient, ask: Any) -> None:
    status, body = ask(client, {"one": PNG + bytes(1000)})
    message = "'one' is a file of more than the 1000 bytes allowed"
    assert (status, body) == (413, {"message": message, "path": "/one"})
    assert ask(client, {"one": PNG + bytes(1000 - len(PNG))})[0] == 200


@both
def test_too_many_files_are_answered_413(client: FlaskClient, ask: Any) -> None:
    status, body = ask(client, {"one": PNG, "many": [PNG, PNG]})
    message = "There are more files than the 2 allowed"
    assert (status, body) == (413, {"message": message, "path": "/many"})


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "a\0.png", ".."])
def test_file_name_that_leads_elsewhere_is_answered_400(client: FlaskClient, name: str) -> None:
    answer = client.post("/v1/SizesModel", **sent({"one": Part(PNG, name)}))
    assert answer.status_code == 400
    assert answer.get_json() == {
        "message": "The name of the file 'one' is not allowed",
        "path": "/one",
    }


def test_field_in_which_no_file_was_chosen_is_not_there(client: FlaskClient) -> None:
    boundary = b"--x\r\nContent-Disposition: form-data; name="
    data = (
        boundary
        + b'"one"; filename=""\r\n\r\n\r\n'
        + boundary
        + b'"any"; filename="a.png"\r\n\r\n'
        + PNG
        + b"\r\n--x--\r\n"
    )
    answer = client.post(
        "/v1/SizesModel", data=data, content_type="multipart/form-data; boundary=x"
    )
    assert answer.get_json() == {"result": {"any": [len(PNG)]}}


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ({"type": "array", "items": PICTURE, "uniqueItems": True}, "'uniqueItems' does not apply"),
        ({"anyOf": [PICTURE, PICTURES], "default": ""}, "'default' does not apply"),
        ({"anyOf": [PICTURE, {"type": "null"}]}, "only a property of the body itself"),
        ({"type": "array", "items": PICTURES}, "only a property of the body itself"),
        (PICTURE | {"contentMediaType": "application/x-own"}, "cannot be told from its content"),
    ],
    ids=["list", "choice", "null", "lists", "type"],
)
def test_declaration_that_cannot_hold_is_refused(field: dict[str, Any], why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        FileFields({"type": "object", "properties": {"file": field}}, "A")
