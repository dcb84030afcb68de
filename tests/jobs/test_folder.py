"""The folder of messages, with several readers and with what killed writers leave."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty
from typing import Any

import pytest

from model_serving.jobs.engine import FOLDER, Engine

COUNT = 200


def received(engine: Engine) -> Iterator[str]:
    """Read the messages until there is none, and yield their ids."""
    with engine.celery.connection_for_read() as connection:
        channel: Any = connection.default_channel
        while True:
            try:
                yield channel._get("jobs")["headers"]["id"]
            except Empty:
                return


def send_all(engine: Engine) -> None:
    for _ in range(COUNT):
        engine.tell()


def test_message_is_read_once_by_one_of_several_readers(tmp_path: Path) -> None:
    engines = [Engine(FOLDER, tmp_path) for _ in range(3)]
    with ThreadPoolExecutor(4) as pool:
        sending = pool.submit(send_all, engines[0])
        found = [message for _ in range(20) for message in received(engines[0])]
        sending.result()
        for part in pool.map(lambda engine: list(received(engine)), engines):
            found += part
    assert len(found) == len(set(found)) == COUNT
    assert list((tmp_path / "messages").iterdir()) == []


@pytest.mark.parametrize("left", [b"", b'{"body": "W1tdLCB7fV0="'], ids=["empty", "half"])
def test_half_written_message_is_passed_over_and_removed_later(tmp_path: Path, left: bytes) -> None:
    engine = Engine(FOLDER, tmp_path)
    half = tmp_path / "messages/0_x.jobs.msg"
    half.write_bytes(left)
    os.utime(half, (time.time() + 3600,) * 2)  # It is young, however long this takes.
    engine.tell()
    assert len(list(received(engine))) == 1
    assert half.exists()
    os.utime(half, (0, 0))
    assert list(received(engine)) == []
    assert not half.exists()
