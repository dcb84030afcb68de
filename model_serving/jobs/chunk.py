"""A chunk: some instances of a file, as many as are predicted together, in the file's own format.

``instance_file`` cuts a file into chunks; a worker parses one here.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson

from model_serving.errors import InvalidBody
from model_serving.jobs.rows import read_rows
from model_serving.json_text import not_json, property_value

Format = Literal["jsonl", "csv"]
ENDINGS: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
Accepts = Callable[[str, Any], bool]  # Whether the schema of a property accepts a value.


@dataclass(frozen=True, slots=True)
class Chunk:
    """Instances of a file: the line of the first, how many, and their lines.

    The data of CSV starts with the file's header, which is not counted. Blank lines between the
    instances are there, too.
    """

    first_line: int
    count: int
    data: bytes


def size_of(chunk: Chunk) -> int:
    """Return the bytes of its data."""
    return len(chunk.data)


class Line(NamedTuple):
    """An instance: its line in the file, and its body, or the error that stands in its place."""

    number: int
    body: Any | InvalidBody


def parse(chunk: Chunk, format_: Format, accepts: Accepts) -> list[Line]:
    """Read the instances of a chunk, in order.

    A cell of CSV is text where ``accepts(name, text)`` says that the property can be, else JSON; an
    empty cell is a missing property.
    """
    return _parse_json(chunk) if format_ == "jsonl" else _parse_csv(chunk, accepts)


def is_blank(line: bytes) -> bool:
    """Say whether a line of JSON Lines holds no instance."""
    return not line or line.isspace()


def _parse_json(chunk: Chunk) -> list[Line]:
    return [
        Line(number, _json(line))
        for number, line in enumerate(chunk.data.split(b"\n"), chunk.first_line)
        if not is_blank(line)
    ]


def _json(line: bytes) -> Any | InvalidBody:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return not_json(error)


def _parse_csv(chunk: Chunk, accepts: Accepts) -> list[Line]:
    rows = read_rows(io.BytesIO(chunk.data), len(chunk.data))
    header = next(rows)
    if isinstance(header.cells, InvalidBody):
        raise header.cells
    names, shift = header.cells, chunk.first_line - 1 - header.data.count(b"\n")
    return [
        Line(row.line + shift, _instance(names, row.cells, accepts)) for row in rows if row.cells
    ]


def _instance(
    names: list[str], cells: list[str] | InvalidBody, accepts: Accepts
) -> dict[str, Any] | InvalidBody:
    if isinstance(cells, InvalidBody):
        return cells
    if len(cells) != len(names):
        return InvalidBody(f"The row has {len(cells)} cells, and the header has {len(names)}")
    return {
        name: property_value(name, cell, accepts)
        for name, cell in zip(names, cells, strict=True)
        if cell
    }
