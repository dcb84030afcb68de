"""Result files in a folder, which all processes of the service share."""

import fcntl
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from model_serving.files.store import NAME, Keeping, Listed, Opened, storing

_UNFINISHED = ".part-"
_UNFINISHED_KEEPING = Keeping(3600.0, math.inf, 3600.0)  # Whoever was writing these has died.


class Folder:
    """Files in a folder of this machine, or in one that several machines share."""

    def __init__(self, path: Path, keeping: Keeping) -> None:
        """Make the folder where it is missing, but not before there is a file."""
        self._path = path
        self._keeping = keeping

    def put(self, name: str, data: bytes) -> None:
        """Keep a file: it appears whole, or not at all; see ``Store.put``."""
        with storing(), self._locked(fcntl.LOCK_SH):
            if not self._is_renewed(name):
                self._write(name, data)

    def open(self, name: str) -> Opened | None:
        """Open a file; see ``Store.open``."""
        with storing(), suppress(FileNotFoundError):
            stream = (self._path / name).open("rb")  # Whoever asks closes it.
            status = os.fstat(stream.fileno())
            return Opened(stream, status.st_size, status.st_mtime)
        return None

    def sweep(self) -> None:
        """Remove files; see ``Store.sweep``."""
        with storing(), suppress(FileNotFoundError):  # There is no folder yet.
            unfinished = self._listed(lambda name: name.startswith(_UNFINISHED))
            for file in _UNFINISHED_KEEPING.outdated(unfinished):
                self._remove(file)
            for file in self._keeping.outdated(self._listed(NAME.fullmatch)):
                self._remove(file)

    def _listed(self, is_wanted: Callable[[str], object]) -> Iterator[Listed]:
        for path in self._path.iterdir():
            if is_wanted(path.name):
                with suppress(FileNotFoundError):  # Another sweep was faster.
                    status = path.stat()
                    yield Listed(status.st_mtime, path.name, status.st_size)

    def _remove(self, file: Listed) -> None:
        """Remove a file that nobody has renewed meanwhile."""
        path = self._path / file.name
        with self._locked(fcntl.LOCK_EX), suppress(FileNotFoundError):
            if path.stat().st_mtime == file.modified_s:
                path.unlink()

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
