"""Result files in a bucket of S3, or of a service that speaks its protocol."""

import importlib
import importlib.util
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from typing import Any

from model_serving.errors import ConfigError, StorageFailed
from model_serving.files.store import NAME, Keeping, Listed, Opened

SCHEME = "s3://"
PATIENCE_S = 10.0  # How long a bucket may take for one thing, which s3fs itself does not bound.
_RETRIES = {"retries": {"max_attempts": 1}}
_READ_BYTES = 1024 * 1024


class Bucket:
    """Files in a bucket.

    Where it is, and the key to it, are told by the environment: ``AWS_ENDPOINT_URL``,
    ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and the others that botocore knows.
    """

    def __init__(self, url: str, keeping: Keeping) -> None:
        """Keep them below ``url``, such as ``s3://bucket/assets``.

        Raises:
            ConfigError: the library for it is not there.
        """
        if importlib.util.find_spec("s3fs") is None:
            raise ConfigError(f"assets_dir: {url} needs s3fs, which requirements.txt names")
        self._path = url.removeprefix(SCHEME).rstrip("/")
        self._keeping = keeping

    def put(self, name: str, data: bytes) -> None:
        """Keep a file, which replaces its like; see ``Store.put``."""
        with _failing():
            self._ask("pipe_file", f"{self._path}/{name}", data)

    def open(self, name: str) -> Opened | None:
        """Open a file; see ``Store.open``."""
        path = f"{self._path}/{name}"
        with _failing(), suppress(FileNotFoundError):
            listed = _listed(self._ask("info", path))
            raw = _RemoteFile(partial(self._read, path), listed.size_bytes)
            stream = io.BufferedReader(raw, _READ_BYTES)
            return Opened(stream, listed.size_bytes, listed.modified_s)
        return None

    def _read(self, path: str, start: int, end: int) -> bytes:
        with _failing():
            data: bytes = self._ask("cat_file", path, start=start, end=end)
            return data

    def sweep(self) -> None:
        """Remove files; see ``Store.sweep``."""
        with _failing(), suppress(FileNotFoundError):  # There is no file yet.
            entries = self._ask("ls", self._path, detail=True)
            files = [file for entry in entries if NAME.fullmatch((file := _listed(entry)).name)]
            for file in self._keeping.outdated(files):
                path = f"{self._path}/{file.name}"
                with suppress(FileNotFoundError):  # Another sweep was faster.
                    # Somebody may have renewed it meanwhile. One who does so right now loses it,
                    # and stores it again with the next prediction: S3 has no locks.
                    if _listed(self._ask("info", path)) == file:
                        self._ask("rm_file", path)

    def _ask(self, what: str, *arguments: Any, **named: Any) -> Any:
        """Have s3fs do something, by the coroutine behind its method."""
        sync = importlib.import_module("fsspec.asyn").sync
        method = getattr(self._bucket, f"_{what}")
        return sync(self._bucket.loop, method, *arguments, timeout=PATIENCE_S, **named)

    @cached_property
    def _bucket(self) -> Any:
        # It takes the memory of a small model, so that only those load it who have files.
        s3fs = importlib.import_module("s3fs")
        bucket = s3fs.S3FileSystem(use_listings_cache=False, config_kwargs=_RETRIES)
        bucket.retries = 1  # botocore does it, too.
        return bucket


class _RemoteFile(io.RawIOBase):
    """A file in a bucket, read in parts."""

    def __init__(self, read: Callable[[int, int], bytes], size_bytes: int) -> None:
        self._read = read
        self._size_bytes = size_bytes
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size_bytes}[whence]
        self._at = begin + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size_bytes)
        data = self._read(self._at, end) if self._at < end else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _listed(entry: dict[str, Any]) -> Listed:
    modified = entry.get("LastModified")  # A folder has none.
    modified_s = modified.timestamp() if modified else 0.0
    return Listed(modified_s, entry["name"].rpartition("/")[2], entry["size"])


@contextmanager
def _failing() -> Iterator[None]:
    """Let a bucket that cannot be used be no riddle.

    Raises:
        StorageFailed: the block raised anything, as botocore has errors of its own.
    """
    try:
        yield
    except Exception as error:
        raise StorageFailed from error
