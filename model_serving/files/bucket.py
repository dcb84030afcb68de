"""Result files in a bucket of S3, or of a service that speaks its protocol."""

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from model_serving.errors import ConfigError, StorageFailed
from model_serving.files.store import NAME, Keeping, Listed, Opened

SCHEME = "s3://"
# A bucket that is away must not hold a replica for long; botocore would wait for minutes.
_PATIENCE = {"connect_timeout": 3, "read_timeout": 10, "retries": {"max_attempts": 2}}


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
            self._bucket.pipe_file(f"{self._path}/{name}", data)

    def open(self, name: str) -> Opened | None:
        """Open a file; see ``Store.open``."""
        path = f"{self._path}/{name}"
        with _failing(), suppress(FileNotFoundError):
            listed = _listed(self._bucket.info(path))
            return Opened(self._bucket.open(path), listed.size_bytes, listed.modified_s)
        return None

    def sweep(self) -> None:
        """Remove files; see ``Store.sweep``."""
        with _failing(), suppress(FileNotFoundError):  # There is no file yet.
            entries = self._bucket.ls(self._path, detail=True)
            files = [file for entry in entries if NAME.fullmatch((file := _listed(entry)).name)]
            for file in self._keeping.outdated(files):
                path = f"{self._path}/{file.name}"
                with suppress(FileNotFoundError):  # Another sweep was faster.
                    # Somebody may have renewed it meanwhile.
                    if _listed(self._bucket.info(path)) == file:
                        self._bucket.rm_file(path)

    @cached_property
    def _bucket(self) -> Any:
        # It takes the memory of a small model, so that only those load it who have files.
        s3fs = importlib.import_module("s3fs")
        return s3fs.S3FileSystem(use_listings_cache=False, config_kwargs=_PATIENCE)


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
