"""The parts of a file, each for one job, so that no transaction grows with the file."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from model_serving.jobs.chunk import Chunk, size_of
from model_serving.jobs.together import together

MAX_BYTES = 32 * 1024**2
MAX_CHUNKS = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """Some chunks of a file; ``end_bytes`` is how much of the file is read with them."""

    number: int
    chunks: list[Chunk]
    end_bytes: int

    def sha256(self, *asked: str) -> str:
        """Return a hash of what is asked for: of these words, and of each line at its place."""
        digest = hashlib.sha256(repr((asked, self.number)).encode())
        for chunk in self.chunks:
            digest.update(f"\n{chunk.first_line} {chunk.count} {len(chunk.data)}\n".encode())
            digest.update(chunk.data)
        return digest.hexdigest()


def cut(chunks: Iterable[Chunk], file: BinaryIO) -> Iterator[Part]:
    """Put chunks together, while they are read from ``file``."""
    for number, held in enumerate(together(chunks, MAX_CHUNKS, MAX_BYTES, size_of)):
        yield Part(number, held, file.tell())
