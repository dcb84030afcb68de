"""A request's body on the disk: a file of instances, with which no process shall grow."""

import io
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from model_serving.errors import ServiceError
from model_serving.files import storing

_HELD_BYTES = 1024 * 1024  # More than that is on the disk.


class Spool:
    """Takes a body part by part; what goes wrong is told to whoever reads it."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._file = SpooledTemporaryFile(_HELD_BYTES)  # noqa: SIM115  # Its reader closes it.
        self._error: ServiceError | None = None

    def append(self, part: bytes) -> None:
        """Take a part; one that comes after an error is of no use any more."""
        self.size_bytes += len(part)
        if self._error is None:
            try:
                with storing():
                    self._file.write(part)
            except ServiceError as error:
                self._error = error

    def opened(self) -> IO[bytes]:
        """Return the body as a file, which is gone once it is closed."""
        try:
            with storing():
                self._file.seek(0)  # What is not on the disk yet is, now.
        except ServiceError as error:
            self._error = self._error or error
        if self._error is None:
            return self._file
        self._file.close()
        return io.BufferedReader(_Failed(self._error))


class _Failed(io.RawIOBase):
    """A body that could not be kept."""

    def __init__(self, error: ServiceError) -> None:
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, _: Any) -> int:
        raise self._error
