"""What keeps result files, and for how long."""

import errno
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, Protocol

from model_serving.errors import StorageFailed, StorageFull

NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{1,10}")


class Opened(NamedTuple):
    """A stored file, to be read from its begin."""

    stream: BinaryIO
    size_bytes: int
    modified_s: float


class Listed(NamedTuple):
    """A stored file, as a sweep sees it."""

    modified_s: float
    name: str
    size_bytes: int


class Store(Protocol):
    """Where files are kept."""

    def put(self, name: str, data: bytes) -> None:
        """Keep a file; one that is there already counts as new again.

        Raises:
            StorageFull: there is no room.
            StorageFailed: it cannot be kept for another reason.
        """

    def open(self, name: str) -> Opened | None:
        """Open a file, if there is one of this name.

        Raises:
            StorageFailed: nobody can tell.
        """

    def sweep(self) -> None:
        """Remove what is too old, and the oldest of what is too much.

        Raises:
            StorageFailed: the files cannot be listed or removed.
        """


class Keeping(NamedTuple):
    """How long files are kept: for ``keep_s`` at least, and for ``max_age_s`` at most.

    Between the two, the oldest go where all together have more than ``max_bytes``.
    """

    max_age_s: float
    max_bytes: float
    keep_s: float

    def outdated(self, files: Iterable[Listed]) -> Iterator[Listed]:
        """Yield the files that have to go."""
        now_s = time.time()
        oldest_first = sorted(files)
        total = sum(file.size_bytes for file in oldest_first)
        for file in oldest_first:
            age_s = now_s - file.modified_s
            if age_s > self.max_age_s or (total > self.max_bytes and age_s > self.keep_s):
                total -= file.size_bytes
                yield file


@contextmanager
def storing() -> Iterator[None]:
    """Say of what the disk refuses whether there was no room.

    Raises:
        StorageFull, StorageFailed: the block raised an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise (StorageFull if is_full else StorageFailed) from error
