"""Result files of predictions, by content address.

The name of a file is the SHA-256 of its content and an ending for its type, so the same content is
stored once, and whoever has its URL gets this content or nothing.
"""

import hashlib
import logging
import math
import mimetypes
import time

from model_serving.config import Config
from model_serving.errors import ConfigError, StorageFailed
from model_serving.files.bucket import SCHEME, Bucket
from model_serving.files.folder import Folder
from model_serving.files.store import NAME, Keeping, Store
from model_serving.place import ROOT

URL = "/assets"  # where the service itself answers them
JOBS = "jobs"  # The folder of those that live as long as the jobs that made them.
SWEEP_S = 60.0  # How often to sweep.

_log = logging.getLogger("service")


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

    @property
    def name(self) -> str:
        """What it is stored as."""
        ending = mimetypes.guess_extension(self.media_type) or ""
        stem = hashlib.sha256(self.data).hexdigest()
        return stem + (ending if NAME.fullmatch(stem + ending) else ".bin")


class Assets:
    """The result files of the service."""

    def __init__(self, store: Store, url: str, sweeps: bool = False) -> None:
        """Keep them in ``store``; callers find them below ``url``.

        ``sweeps``: whether to sweep before storing, now and then, as nobody else does.
        """
        self.store = store
        self._url = url.rstrip("/")
        self._next_sweep_s = time.monotonic() if sweeps else math.inf

    def publish(self, value: object) -> str:
        """Keep a file, and return its URL: the hook of an encoder of plain data and files.

        Raises:
            TypeError: it is no file.
            StorageFull, StorageFailed: it cannot be kept.
        """
        name = _file(value).name
        if time.monotonic() >= self._next_sweep_s:
            self._next_sweep_s = time.monotonic() + SWEEP_S
            self.sweep()
        self.store.put(name, _file(value).data)
        return f"{self._url}/{name}"

    def sweep(self) -> None:
        """Remove what is outdated; that it cannot be done is no reason to stop."""
        try:
            self.store.sweep()
        except StorageFailed as error:
            _log.error("cannot sweep the result files: %s", error.__cause__)


def example_url(value: object) -> str:
    """Return a file's URL in an example, where it is not kept: the hook of an encoder.

    Raises:
        TypeError: it is no file.
    """
    return f"{URL}/{_file(value).name}"


def open_assets(config: Config, sweeps: bool = False) -> Assets:
    """Return the result files as the settings say; see ``Assets`` for ``sweeps``.

    Raises:
        ConfigError: they cannot be kept there, or not for so long.
    """
    keeping = Keeping(config.assets_max_age_s, config.assets_max_bytes, config.assets_keep_s)
    if config.assets_keep_s > config.assets_max_age_s:
        raise ConfigError(
            f"assets_keep_s = {config.assets_keep_s:g}: at most assets_max_age_s is allowed, "
            f"which is {config.assets_max_age_s:g}"
        )
    return Assets(_store(config.assets_dir, keeping), config.assets_url, sweeps)


def open_job_assets(config: Config, max_age_s: float = math.inf) -> Assets:
    """Return the result files of jobs, apart from the others, whose bounds are not theirs.

    A sweep removes what is older than ``max_age_s``.

    Raises:
        ConfigError: they cannot be kept there.
    """
    place = f"{config.assets_dir.rstrip('/')}/{JOBS}"
    store = _store(place, Keeping(max_age_s, math.inf, max_age_s))
    return Assets(store, f"{config.assets_url.rstrip('/')}/{JOBS}")


def _store(place: str, keeping: Keeping) -> Store:
    return Bucket(place, keeping) if place.startswith(SCHEME) else Folder(ROOT / place, keeping)


def _file(value: object) -> File:
    if isinstance(value, File):
        return value
    raise TypeError(f"{type(value).__name__} is no plain data")
