"""The engine and a broker that is away, in each way that it may be."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from model_serving.errors import ConfigError, EngineFailed
from model_serving.jobs.engine import FOLDER, Engine
from tests.services.processes import free_port


@pytest.fixture(params=["closed", "silent"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Return a port that refuses connections, or takes them and says nothing."""
    if request.param == "closed":
        yield free_port()
    else:
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            yield listening.getsockname()[1]


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_broker_that_is_away_fails_at_once(port: int, scheme: str, tmp_path: Path) -> None:
    engine = Engine(f"{scheme}://127.0.0.1:{port}//", tmp_path)
    with pytest.raises(EngineFailed):
        engine.check()


def test_folder_needs_no_server_and_logs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine(FOLDER, tmp_path)
    engine.check()
    engine.tell()
    assert len(list((tmp_path / "messages").iterdir())) == 1
    assert caplog.records == []


@pytest.mark.parametrize("url", ["amqp://me:hid#den@host", "redis://:hidden@[::1/0"])
def test_url_that_is_none_is_refused_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="broker_url: it is no URL") as refused:
        Engine(url, tmp_path)
    assert "hid" not in str(refused.value)
