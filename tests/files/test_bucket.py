"""Result files in a bucket, against a real server of S3's protocol."""

import socket
import sys
import time
from collections.abc import Iterator

import pytest
import s3fs

from model_serving.errors import ConfigError, StorageFailed
from model_serving.files.bucket import Bucket
from model_serving.files.store import Keeping
from tests.services.bucket import bucket_server

DAY = Keeping(86_400.0, 10**9, 3600.0)


def name(number: int) -> str:
    return f"{number:064x}.bin"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a bucket's folder, in whose environment the tests run."""
    with (
        bucket_server(tmp_path_factory.mktemp("bucket")) as server,
        pytest.MonkeyPatch.context() as patched,
    ):
        for key, value in server.environment.items():
            patched.setenv(key, value)
        patched.setattr("model_serving.files.bucket.PATIENCE_S", 600.0)  # Its server begins slowly.
        yield server.environment["ASSETS_DIR"]


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest) -> str:
    return f"{server}/{request.node.name}"


def test_bucket_keeps_a_file_once(url: str) -> None:
    bucket = Bucket(url, DAY)
    for _ in range(2):
        bucket.put(name(1), b"content")
    opened = bucket.open(name(1))
    assert opened is not None
    with opened.stream as stream:
        stream.seek(3)
        assert (stream.read(), opened.size_bytes) == (b"tent", 7)
    assert abs(time.time() - opened.modified_s) < 3600


def test_bucket_has_no_other_files(url: str) -> None:
    assert Bucket(url, DAY).open(name(2)) is None


def test_sweep_of_an_empty_bucket_is_nothing(url: str) -> None:
    bucket = Bucket(url, DAY)
    bucket.sweep()
    assert bucket.open(name(1)) is None


def test_sweep_removes_from_a_bucket_what_is_outdated(url: str) -> None:
    kept, cramped = Bucket(url, DAY), Bucket(url, Keeping(86_400.0, 250, 0.0))
    for number in (1, 2, 3):
        kept.put(name(number), bytes(100))
    kept.sweep()
    assert kept.open(name(1))
    time.sleep(1.1)  # Its times are whole seconds.
    cramped.sweep()
    left = [number for number in (1, 2, 3) if kept.open(name(number))]
    assert left == [2, 3]


def test_bucket_that_is_not_there_is_told(server: str) -> None:  # noqa: ARG001
    bucket = Bucket("s3://nobody-made-this", DAY)
    with pytest.raises(StorageFailed):
        bucket.put(name(1), b"content")


def test_bucket_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_serving.files.bucket.PATIENCE_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        s3fs.S3FileSystem.clear_instance_cache()
        bucket = Bucket("s3://results/assets", DAY)
        with pytest.raises(StorageFailed):
            bucket.put(name(1), b"content")
        with pytest.raises(StorageFailed):
            bucket.sweep()
    s3fs.S3FileSystem.clear_instance_cache()


def test_bucket_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ConfigError, match="s3://results needs s3fs"):
        Bucket("s3://results", DAY)
