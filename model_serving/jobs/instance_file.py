"""A file of instances, JSON Lines or CSV, cut into chunks while it is read.

It may have millions of lines, and other threads want the interpreter: no loop of ours looks at each
line, except in CSV whose rows take several of them.
"""

import codecs
import csv
import io
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple, Protocol

from model_serving.errors import BadRequest, InvalidBody
from model_serving.jobs.chunk import Chunk, Format
from model_serving.jobs.rows import Row, read_rows, too_long

_BLOCK_BYTES = 65_536
_MOST_BEFORE = 1000  # lines in which the header must be
_MAX_SHOWN = 100  # Letters of a column, which may be all that a wrong file holds.


class _Pieces(NamedTuple):
    """Lines of JSON or rows of CSV, and the numbers of the lines on which they begin."""

    data: list[bytes]
    lines: Sequence[int]


class BinaryFile(Protocol):
    """What is read of a file."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most ``size`` bytes, and nothing at the file's end."""


class Limits(NamedTuple):
    """What a chunk may hold, at most; ``size_bytes`` with the header of CSV."""

    instances: int
    size_bytes: int


CHUNK = Limits(instances=1000, size_bytes=4 * 1024**2)


def split(
    file: BinaryFile, format_: Format, limits: Limits, columns: Collection[str]
) -> Iterator[Chunk]:
    """Cut a file into chunks; not much more of it than one of them is held at a time.

    ``columns``: what the header of CSV may name, the properties of the schema.

    Raises:
        BadRequest: the file holds no instances, is not UTF-8, has a column that is unknown or there
            twice, or ends inside of quotes; the message names the line.
        TooLarge: no chunk can hold one of the lines.
    """
    lines, header, was_empty = _Lines(file, limits.size_bytes), b"", True
    is_blank: Callable[[bytes], bool] = bytes.isspace
    if format_ == "csv":
        header, is_blank = _header(read_rows(lines, limits.size_bytes), columns), _is_blank_row
    while some := lines.take(limits.instances):
        pieces = _Pieces(some, range(lines.number - len(some) + 1, lines.number + 1))
        if format_ == "csv" and not _are_rows(some):
            pieces = _rows(pieces, lines, limits)
        for chunk in _chunks(pieces, header, limits, is_blank):
            was_empty = False
            yield chunk
    if was_empty:
        raise BadRequest("The file holds no instances")


class _Lines(Iterator[bytes]):
    """The lines of a file, which are text; ``number`` is that of the last one taken."""

    def __init__(self, file: BinaryFile, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._ready: list[bytes] = []
        self._taken = 0  # of those that are ready
        self._begun = b""  # A line whose end is not read yet.
        self._has_ended = False
        self.number = 0

    def __next__(self) -> bytes:
        if some := self.take(1):
            return some[0]
        raise StopIteration

    def take(self, count: int) -> list[bytes]:
        """Return the next lines, fewer if they are long, and none at the end."""
        if len(self._ready) - self._taken < count:
            self._fill(count)
        some = self._ready[self._taken : self._taken + count]
        self._taken += len(some)
        if not b"".join(some).isascii() or max(map(len, some), default=0) > self._max_bytes:
            self._check(some)
        if self.number == 0 and some:
            some[0] = some[0].removeprefix(codecs.BOM_UTF8) or b"\n"
        self.number += len(some)
        return some

    def _fill(self, count: int) -> None:
        """Read until so many lines are ready, or as many bytes as a line may have."""
        del self._ready[: self._taken]
        self._taken = 0
        size_bytes = sum(map(len, self._ready))
        while len(self._ready) < count and size_bytes < self._max_bytes and not self._has_ended:
            size_bytes += self._read()

    def _read(self) -> int:
        """Read what may be more lines, and return how much it was."""
        block = self._file.read(_BLOCK_BYTES)
        lines = io.BytesIO(self._begun + block).readlines()
        self._has_ended = not block
        is_begun = block and not block.endswith(b"\n")
        self._begun = lines.pop() if is_begun else b""
        self._ready += lines
        if len(self._begun) > self._max_bytes:
            raise too_long(self.number + len(self._ready) + 1, self._max_bytes)
        return len(block)

    def _check(self, lines: list[bytes]) -> None:
        for number, line in enumerate(lines, self.number + 1):
            if len(line) > self._max_bytes:
                raise too_long(number, self._max_bytes)
            try:
                line.decode()
            except UnicodeDecodeError:
                raise BadRequest(f"Line {number} is not UTF-8 text") from None


def _header(rows: Iterator[Row], columns: Collection[str]) -> bytes:
    """Check the header, and return it as it is in the file."""
    row = next((row for row in islice(rows, _MOST_BEFORE) if row.cells), None)
    if row is None:
        raise BadRequest(f"The file has no header in its first {_MOST_BEFORE} lines")
    if isinstance(row.cells, InvalidBody):
        raise BadRequest(f"Line {row.line}: {row.cells.message}")
    for number, name in enumerate(row.cells):
        if name not in columns:
            known = ", ".join(columns) or "none"
            wrong = f"the column {name[:_MAX_SHOWN]!r} is unknown"
            raise BadRequest(f"Line {row.line}: {wrong}; known are {known}")
        if name in row.cells[:number]:
            raise BadRequest(f"Line {row.line}: the column {name!r} is there more than once")
    return row.data


def _is_blank_row(row: bytes) -> bool:
    return row[0] in b"\r\n" and not row.strip(b"\r\n")


def _are_rows(lines: list[bytes]) -> bool:
    """Say whether each line is a row; no row takes less than one."""
    if b'"' not in b"".join(lines):
        return True
    try:
        return len(list(csv.reader(map(bytes.decode, lines), strict=True))) == len(lines)
    except csv.Error:  # Perhaps one goes on behind these lines.
        return False


def _rows(begin: _Pieces, more: Iterator[bytes], limits: Limits) -> _Pieces:
    """Return the rows that begin on these lines; the last one may need more."""
    data, numbers = list[bytes](), list[int]()
    feed = chain(begin.data, more)
    for row in read_rows(feed, limits.size_bytes, begin.lines[0]):
        data.append(row.data)
        numbers.append(row.line)
        if row.line + row.data.count(b"\n") > begin.lines[-1]:
            break
    return _Pieces(data, numbers)


def _chunks(
    pieces: _Pieces, header: bytes, limits: Limits, is_blank: Callable[[bytes], bool]
) -> Iterator[Chunk]:
    """Make a chunk, or two halves of one that would be too large."""
    first = next((at for at, piece in enumerate(pieces.data) if not is_blank(piece)), None)
    if first is None:
        return
    data = b"".join([header, *pieces.data[first:]])
    if len(data) <= limits.size_bytes:
        count = len(pieces.data) - sum(map(is_blank, pieces.data))
        yield Chunk(pieces.lines[first], count, data)
        return
    if first == len(pieces.data) - 1:
        raise too_long(pieces.lines[first], limits.size_bytes)
    middle = (first + len(pieces.data) + 1) // 2
    for half in (slice(first, middle), slice(middle, None)):
        some = _Pieces(pieces.data[half], pieces.lines[half])
        yield from _chunks(some, header, limits, is_blank)
