"""Celery's transport in a folder, made safe for several readers and for writers that are killed.

Each message is a file. Kombu's own reader moves a file before it looks into it, and fails on one
that is being written, or that a killed writer or a full disk has left half; its table of the queues
is a file too, which nobody mends once it is broken.
"""

import time
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import orjson
from kombu.transport import filesystem

_HALF_S = 10.0  # Longer than anybody takes to write a message.


class Channel(filesystem.Channel):
    """Reads whole messages alone; each goes to one reader."""

    def get_table(self, exchange: str) -> list[Any]:
        """Return the queues of an exchange: with us each has the one of its name."""
        return [filesystem.exchange_queue_t(exchange, "", exchange)]

    def _queue_bind(self, *_: object) -> None:
        """Write no table."""

    def _get(self, queue: str, timeout: Any = None) -> Any:
        for path in sorted(Path(self.data_folder_in).glob(f"*.{queue}.msg")):
            if message := _take(path):
                return message
        raise Empty


class Transport(filesystem.Transport):
    """The same, with our channel."""

    Channel = Channel


def _take(path: Path) -> Any:
    """Read and remove a message; None where it is not whole, or another reader has it."""
    with suppress(FileNotFoundError):
        try:
            message = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError:
            if time.time() - path.stat().st_mtime > _HALF_S:
                path.unlink()
            return None
        path.unlink()  # Of several readers, the others fail here.
        return message
    return None
