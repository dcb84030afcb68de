import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from model_serving.config import Config, load_config
from model_serving.conversion import parse
from model_serving.errors import ConfigError
from model_serving.place import ROOT


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_config_without_anything_given_has_the_documented_defaults(tmp_path: Path) -> None:
    config = load_config(environ={}, conf_dir=tmp_path)
    assert (config.host, config.port) == ("0.0.0.0", 9999)
    assert config.max_content_length == 32 * 1024 * 1024


def test_config_precedence_is_command_line_environment_file_default(tmp_path: Path) -> None:
    write(tmp_path, "serving.conf", "[serving]\nport = 1\nworkers = 1\nthreads = 1\n")
    config = load_config({"port": "3", "host": None}, {"PORT": "2", "WORKERS": "2"}, tmp_path)
    assert (config.port, config.workers, config.threads) == (3, 2, 1)


def test_config_takes_an_empty_environment_variable_for_none(tmp_path: Path) -> None:
    assert load_config(environ={"PORT": ""}, conf_dir=tmp_path).port == 9999


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)],
)
def test_config_reads_booleans_by_what_they_say(tmp_path: Path, text: str, expected: bool) -> None:
    assert load_config(environ={"LOG_CONSOLE": text}, conf_dir=tmp_path).log_console is expected


def test_config_reads_a_list_at_its_commas(tmp_path: Path) -> None:
    environ = {"CORS_ORIGINS": " https://a.example , https://b.example,"}
    config = load_config(environ=environ, conf_dir=tmp_path)
    assert config.cors_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("PORT", "abc", "a whole number from 1 to 65535"),
        ("PORT", "0", "a whole number from 1 to 65535"),
        ("PORT", "65536", "a whole number from 1 to 65535"),
        ("WORKERS", "1.5", "a whole number from 1 to 512"),
        ("LOG_CONSOLE", "perhaps", "true or false"),
        ("GRACEFUL_TIMEOUT_S", "-1", "a number above 0 to 86400"),
        ("GRACEFUL_TIMEOUT_S", "nan", "a number above 0 to 86400"),
        ("HOST", " ", "text that is not empty"),
        ("ASSETS_DIR", "gs://bucket", r"text matching ^(s3://[^\s:]+|[^:]+)$"),
        (
            "CORS_ORIGINS",
            "https://*.example.com",
            r"a list separated by commas each matching ^(\*|https?://[A-Za-z0-9.:-]+)$",
        ),
        (
            "CORS_ORIGINS",
            "https://a.example/",
            r"a list separated by commas each matching ^(\*|https?://[A-Za-z0-9.:-]+)$",
        ),
    ],
)
def test_config_error_names_key_value_source_and_what_is_allowed(
    tmp_path: Path, key: str, value: str, allowed: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(environ={key: value}, conf_dir=tmp_path)
    expected = f"{key.lower()} = {value!r} (from the environment): allowed is {allowed}"
    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [("BROKER_URL", "redis:/me:secret@host"), ("CALLBACK_SECRET", "secret")],
)
def test_config_error_does_not_show_a_secret(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(environ={key: value}, conf_dir=tmp_path)
    assert f"{key.lower()} = *** (from the environment): allowed is text" in str(raised.value)
    assert "secret" not in str(raised.value).replace("callback_secret", "")


def test_printed_settings_show_no_secret() -> None:
    secrets = {"DATABASE_URL": "postgresql://me:hidden@host/db", "CALLBACK_SECRET": "hidden" * 4}
    command = [sys.executable, "-m", "model_serving.config"]
    environ = os.environ | secrets
    told = subprocess.check_output(command, cwd=ROOT, env=environ, text=True)
    assert "hidden" not in told
    assert "callback_secret = ***\n" in told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[serving]\nprot = 1\n", "unknown setting 'prot'; known are host, port"),
        ("[server]\nport = 1\n", "unknown section 'server'; known are serving"),
        ("port = 1\n", "File contains no section headers"),
        ("[DEFAULT]\nport = 1\n", "unknown section 'DEFAULT'"),
        ("[serving]\nport = 1\nport = 2\n", "already exists"),
    ],
    ids=["key", "section", "no section", "default", "twice"],
)
def test_config_refuses_a_file_with_a_slip(tmp_path: Path, text: str, says: str) -> None:
    write(tmp_path, "serving.conf", text)
    with pytest.raises(ConfigError, match=r"serving\.conf") as raised:
        load_config(environ={}, conf_dir=tmp_path)
    assert says in str(raised.value)


def test_parse_starts_a_relative_path_at_the_project() -> None:
    assert parse("data/x.onnx", Path, "weights", "a test") == ROOT / "data/x.onnx"
    assert parse("/srv/x.onnx", Path, "weights", "a test") == Path("/srv/x.onnx")


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [("5", int | None, 5), ("a, b", list[str] | None, ["a", "b"]), ("x", str | None, "x")],
    ids=["number", "list", "text"],
)
def test_parse_reads_what_may_be_left_out(text: str, kind: object, expected: object) -> None:
    assert parse(text, kind, "key", "a test") == expected


@pytest.mark.parametrize(
    ("text", "kind", "allowed"),
    [("x", int | None, "a whole number or nothing"), ("", Path, "text that is not empty")],
    ids=["number", "path"],
)
def test_parse_says_what_is_allowed(text: str, kind: object, allowed: str) -> None:
    with pytest.raises(ConfigError, match=f"allowed is {allowed}"):
        parse(text, kind, "key", "a test")


def test_every_setting_has_a_description() -> None:
    schema = msgspec.json.schema(Config)["$defs"]["Config"]
    assert all(field.get("description") for field in schema["properties"].values())
