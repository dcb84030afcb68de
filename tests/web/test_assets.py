"""Result files over HTTP: in parts, for good, and never as a page."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from model_serving.files import File
from model_serving.serving import Model
from model_serving.web import ModelResource
from tests.conftest import MakeClient

PAGE = b"<script>alert(1)</script>"


class FileModel(Model):
    """Return a text as a file."""

    def predict(self, instances: list[Any]) -> list[Any]:
        return [
            {"files": [File(one["text"].encode(), one["type"])], "count": 1} for one in instances
        ]


class FileModelResource(ModelResource):
    model = FileModel
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string"}, "type": {"type": "string"}},
        "required": ["text", "type"],
    }
    response_schema = {"type": "object"}
    examples = ()


@pytest.fixture
def client(make_client: MakeClient, tmp_path: Path) -> FlaskClient:
    return make_client(FileModelResource, assets_dir=str(tmp_path / "assets"))


def fetch(method: Callable[..., Any], url: str, **options: Any) -> Any:
    """Ask, and take the whole answer; the test client leaves its closing to us."""
    return method(url, buffered=True, **options)


def made(client: FlaskClient, media_type: str, text: bytes = PAGE) -> str:
    """Have a file made, and return its URL."""
    answer = client.post("/v1/FileModel", json={"text": text.decode(), "type": media_type})
    result = answer.get_json()["result"]
    assert result["count"] == 1
    (url,) = result["files"]
    return str(url)


def test_file_of_a_prediction_is_answered_at_its_url(client: FlaskClient) -> None:
    url = made(client, "image/png")
    assert url == f"/assets/{hashlib.sha256(PAGE).hexdigest()}.png"
    answer = fetch(client.get, url)
    assert (answer.status_code, answer.data, answer.content_type) == (200, PAGE, "image/png")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Content-Disposition" not in answer.headers


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "application/pdf", "x/y"])
def test_hostile_file_is_no_page(client: FlaskClient, media_type: str) -> None:
    answer = fetch(client.get, made(client, media_type))
    assert answer.data == PAGE
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")


def test_file_that_the_caller_has_is_not_sent_again(client: FlaskClient) -> None:
    url = made(client, "image/png")
    tag = fetch(client.get, url).headers["ETag"]
    answer = fetch(client.get, url, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.data) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "status", "data"),
    [
        ("bytes=2-5", 206, PAGE[2:6]),
        ("bytes=-3", 206, PAGE[-3:]),
        ("bytes=20-", 206, PAGE[20:]),
        ("bytes=1000-", 416, None),
        ("bytes=-1000", 200, PAGE),
        ("bytes=0-1,3-4", 200, PAGE),
        ("items=0-1", 200, PAGE),
        ("bytes=-", 200, PAGE),
    ],
)
def test_part_of_a_file_is_answered(
    client: FlaskClient, asked: str, status: int, data: bytes | None
) -> None:
    answer = fetch(client.get, made(client, "image/png"), headers={"Range": asked})
    assert answer.status_code == status
    assert data is None or answer.data == data


def test_file_that_is_another_is_not_answered(client: FlaskClient) -> None:
    answer = fetch(client.get, made(client, "image/png"), headers={"If-Match": '"another"'})
    assert (answer.status_code, answer.get_json().keys()) == (412, {"message"})


def test_head_tells_the_size(client: FlaskClient) -> None:
    answer = fetch(client.head, made(client, "image/png"))
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(PAGE))


@pytest.mark.parametrize(
    "name",
    ["", "a.png", "..%2f..%2fetc%2fpasswd", f"{'0' * 64}.png", f"{'0' * 64}", f"{'A' * 64}.png"],
)
def test_other_names_are_nothing(client: FlaskClient, name: str) -> None:
    assert fetch(client.get, f"/assets/{name}").status_code == 404


def test_files_are_elsewhere_if_the_settings_say_so(
    make_client: MakeClient, tmp_path: Path
) -> None:
    url = "https://cdn.example.com/files"
    client = make_client(FileModelResource, assets_dir=str(tmp_path), assets_url=url)
    assert made(client, "image/png").startswith(f"{url}/")
