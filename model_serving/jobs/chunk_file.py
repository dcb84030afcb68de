"""Chunks on the disk, from when a file was cut into them until they are accepted."""

import struct
from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile

from model_serving.files import storing
from model_serving.jobs.chunk import Chunk

HELD_BYTES = 1024 * 1024  # More than that is on the disk.
_HEAD = struct.Struct(">QII")  # The first line, how many instances, and how many bytes.


class ChunkFile:
    """Chunks in a temporary file, which goes with its end, or the process's."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        """Write all of them.

        Raises:
            StorageFull, StorageFailed: they cannot be written.
        """
        self._file = SpooledTemporaryFile(HELD_BYTES)  # noqa: SIM115  # It is closed by close().
        try:
            for chunk in chunks:
                with storing():
                    self._file.write(_HEAD.pack(chunk.first_line, chunk.count, len(chunk.data)))
                    self._file.write(chunk.data)
            with storing():
                self._file.seek(0)  # What is not written yet is, now.
        except BaseException:
            self._file.close()
            raise

    def __iter__(self) -> Iterator[Chunk]:
        """Read them, one at a time."""
        self._file.seek(0)
        while head := self._file.read(_HEAD.size):
            first_line, count, size_bytes = _HEAD.unpack(head)
            yield Chunk(first_line, count, self._file.read(size_bytes))

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
