"""The rows of a CSV file (RFC 4180), which may take several lines each."""

import csv
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from model_serving.errors import BadRequest, InvalidBody, TooLarge


class Row(NamedTuple):
    """A row: the line on which it begins, its bytes as they are in the file, and its cells."""

    line: int
    data: bytes
    cells: list[str] | InvalidBody  # An empty line has none.


def read_rows(lines: Iterable[bytes], max_bytes: int, first_line: int = 1) -> Iterator[Row]:
    """Put the lines of a file in UTF-8, each with its end, together to rows.

    What follows a broken row begins on the next line, so whoever starts to read at any row finds
    the same rows.

    Raises:
        TooLarge: a row is longer than ``max_bytes``.
        BadRequest: the file ends inside of quotes.
    """
    # The limit belongs to the whole process, so it may only grow.
    csv.field_size_limit(max(csv.field_size_limit(), max_bytes))
    feed = _Feed(lines, max_bytes, first_line)
    reader = csv.reader(feed, strict=True)
    while True:
        feed.begin_row()
        try:
            cells: list[str] | InvalidBody = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if feed.has_ended:
                raise BadRequest(f"Line {feed.first}: a quoted cell does not end") from None
            cells = InvalidBody(f"The row is not valid CSV: {error}")
        yield Row(feed.first, b"".join(feed.taken), cells)


def too_long(line: int, max_bytes: int) -> TooLarge:
    """Return what is said of a line, or a row that begins there, which no chunk can hold."""
    return TooLarge(f"Line {line} is longer than the {max_bytes} bytes allowed")


class _Feed(Iterator[str]):
    """Gives lines to a reader of CSV, and keeps those of the present row."""

    def __init__(self, lines: Iterable[bytes], max_bytes: int, first_line: int) -> None:
        self._lines = iter(lines)
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self.first = first_line
        self.taken: list[bytes] = []
        self.has_ended = False

    def begin_row(self) -> None:
        self.first += len(self.taken)
        self.taken = []
        self._size_bytes = 0

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            self.has_ended = True
            raise StopIteration
        self.taken.append(line)
        self._size_bytes += len(line)
        if self._size_bytes > self._max_bytes:
            raise too_long(self.first, self._max_bytes)
        return line.decode()
