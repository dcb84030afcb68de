"""The answers to the instances of a file, in their order: JSON Lines, or CSV made of these.

A line is the response to an instance, as its caller would get it, or ``{"error": {"line": ...,
"message": ..., "path": ...}}``; the path is there where a field is at fault.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from model_serving.errors import ServiceError
from model_serving.json_text import json_bytes

ERROR = "error"
_WHOLE = "response"  # The column of a response that is no object.


def failure(line: int, error: ServiceError) -> dict[str, Any]:
    """Return what is told of an instance that failed; ``line`` is where it is in its file."""
    told: dict[str, Any] = {"line": line, "message": error.message}
    return told | {"path": error.path} if error.path else told


def answer_line(response: Any) -> bytes:
    """Write the line of a response.

    Raises:
        TypeError: it holds something that JSON does not.
    """
    return json_bytes(response)


def failure_line(line: int, error: ServiceError) -> bytes:
    """Write the line that stands in the place of a response."""
    return json_bytes({ERROR: failure(line, error)})


def columns_of(lines: Iterable[bytes]) -> list[str]:
    """Return the columns that a table of these answers needs: each member, the error last."""
    members = dict.fromkeys(name for line in lines for name in _members(line))
    members.pop(ERROR, None)
    return [*members, ERROR]


def table(lines: Iterable[bytes], columns: Sequence[str]) -> Iterator[bytes]:
    """Write answers as CSV, a header and a row for each: text as it is, all else as JSON.

    A member without a column is left out.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for line in lines:
        yield _taken(buffer)
        members = _members(line)
        writer.writerow([_cell(members[name]) if name in members else "" for name in columns])
    yield _taken(buffer)


def _members(line: bytes) -> dict[str, Any]:
    answer = orjson.loads(line)
    return answer if isinstance(answer, dict) else {_WHOLE: answer}


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return text
