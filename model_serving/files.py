"""Result files: kept by content address, in a folder that all processes share, or in a bucket.

The name of a file is the SHA-256 of its content and an ending for its type, so the same content is
stored once, and whoever has its URL gets this content or nothing.
"""

import errno
import fcntl
import hashlib
import math
import mimetypes
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from model_serving.config import Config
from model_serving.errors import StorageFull
from model_serving.place import ROOT

URL = "/assets"  # where the service itself answers them
NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{1,10}")
SWEEP_S = 60.0  # How often to sweep.
_UNFINISHED = ".part-"
_UNFINISHED_S = 3600.0  # Whoever was writing this has died.


class File:
    """A file in a prediction: the caller gets the URL where it can be fetched."""

    # No dataclass, which an encoder would take for plain data.
    def __init__(self, data: bytes, media_type: str = "application/octet-stream") -> None:
        self.data = data
        self.media_type = media_type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.data, self.media_type))


class Opened(NamedTuple):
    """A stored file, to be read from its begin."""

    stream: BinaryIO
    size_bytes: int
    modified_s: float


class Store(Protocol):
    """Where files are kept."""

    def put(self, name: str, data: bytes) -> None:
        """Keep a file; one that is there already counts as new again.

        Raises:
            StorageFull: there is no room.
        """

    def open(self, name: str) -> Opened | None:
        """Open a file, if there is one of this name."""

    def sweep(self) -> None:
        """Remove what is too old, and the oldest of what is too much."""


class Assets:
    """The result files of the service."""

    def __init__(self, store: Store, url: str, sweeps: bool = False) -> None:
        """Keep them in ``store``; callers find them below ``url``.

        ``sweeps``: whether to sweep before storing, now and then, as nobody else does.
        """
        self.store = store
        self._url = url.rstrip("/")
        self._next_sweep_s = time.monotonic() if sweeps else math.inf

    def publish(self, file: File) -> str:
        """Keep a file, and return its URL.

        Raises:
            StorageFull: there is no room.
        """
        if time.monotonic() >= self._next_sweep_s:
            self._next_sweep_s = time.monotonic() + SWEEP_S
            self.store.sweep()
        name = hashlib.sha256(file.data).hexdigest() + _ending(file.media_type)
        self.store.put(name, file.data)
        return f"{self._url}/{name}"

    def publish_all(self, value: object) -> str:
        """Serve as the hook of an encoder, which calls it for all that is no plain data.

        Raises:
            TypeError: it is no file either.
            StorageFull: there is no room.
        """
        if isinstance(value, File):
            return self.publish(value)
        raise TypeError(f"{type(value).__name__} is no plain data")


class Folder:
    """Files in a folder of this machine."""

    def __init__(self, path: Path, max_age_s: float, max_bytes: int, keep_s: float) -> None:
        """Keep each file for ``keep_s`` at least, and for ``max_age_s`` at most."""
        self._path = path
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._keep_s = keep_s

    def put(self, name: str, data: bytes) -> None:
        """Keep a file: it appears whole, or not at all; see ``Store.put``."""
        try:
            with self._locked(fcntl.LOCK_SH):
                if self._is_renewed(name):
                    return
                self._write(name, data)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull from error
            raise

    def open(self, name: str) -> Opened | None:
        """Open a file; see ``Store.open``."""
        try:
            stream = (self._path / name).open("rb")
        except FileNotFoundError:
            return None
        status = os.fstat(stream.fileno())
        return Opened(stream, status.st_size, status.st_mtime)

    def sweep(self) -> None:
        """Remove files; see ``Store.sweep``."""
        now_s = time.time()
        files = sorted(self._files())
        total = sum(size for _, _, size in files)
        for modified_s, path, _ in files:
            age_s = now_s - modified_s
            is_old = age_s > (_UNFINISHED_S if path.name[0] == "." else self._max_age_s)
            is_too_much = total > self._max_bytes and age_s > self._keep_s
            if is_old or is_too_much:
                total -= self._remove(path, modified_s)

    def _files(self) -> Iterator[tuple[float, Path, int]]:
        """Yield when each file was made, its path and its size."""
        if not self._path.is_dir():
            return
        for path in self._path.iterdir():
            if NAME.fullmatch(path.name) or path.name.startswith(_UNFINISHED):
                with suppress(FileNotFoundError):  # Another sweep was faster.
                    status = path.stat()
                    yield status.st_mtime, path, status.st_size

    def _remove(self, path: Path, modified_s: float) -> int:
        """Remove a file that nobody has renewed meanwhile; return how many bytes this frees."""
        with self._locked(fcntl.LOCK_EX), suppress(FileNotFoundError):
            status = path.stat()
            if status.st_mtime == modified_s:
                path.unlink()
                return status.st_size
        return 0

    def _is_renewed(self, name: str) -> bool:
        with suppress(FileNotFoundError):
            os.utime(self._path / name)
            return True
        return False

    def _write(self, name: str, data: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=self._path, prefix=_UNFINISHED, delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)  # nginx reads it as somebody else.
                Path(file.name).replace(self._path / name)
            except BaseException:
                Path(file.name).unlink()
                raise

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Keep a sweep from removing what is just renewed."""
        self._path.mkdir(parents=True, exist_ok=True)
        folder = os.open(self._path, os.O_RDONLY)
        try:
            fcntl.flock(folder, how)
            yield
        finally:
            os.close(folder)


def open_assets(config: Config, url: str | None = None, sweeps: bool = False) -> Assets:
    """Return the result files as the settings say, but for their ``url`` where that is given."""
    folder = Folder(
        ROOT / config.assets_dir,
        config.assets_max_age_s,
        config.assets_max_bytes,
        config.assets_keep_s,
    )
    return Assets(folder, url or config.assets_url, sweeps)


def _ending(media_type: str) -> str:
    ending = mimetypes.guess_extension(media_type) or ".bin"
    return ending if NAME.fullmatch("0" * 64 + ending) else ".bin"
