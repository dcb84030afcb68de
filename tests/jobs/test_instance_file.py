"""A file that is cut anywhere holds the same instances, on the same lines, as when read whole."""

import csv
import io
import tempfile
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_serving.errors import BadRequest, InvalidBody, ServiceError, TooLarge
from model_serving.jobs.chunk import Chunk, Format, parse
from model_serving.jobs.instance_file import Limits, split
from model_serving.web.validation import BodyValidator

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": ["array", "null"]},
        "any": True,
    },
}
COLUMNS = list(SCHEMA["properties"])
ACCEPTS = BodyValidator(SCHEMA, "the schema").accepts_property
LARGE = Limits(1_000, 1_000_000)

limits = st.builds(Limits, st.integers(1, 5), st.integers(120, 400))
ends = st.sampled_from(["\n", "\r\n"])
letters = st.sampled_from(["a", '"', ",", "\n", "\r\n", "\u00e9", "\u2028", " ", "0", "{"])
cells = st.lists(letters, max_size=5).map("".join)
tables = st.lists(st.tuples(cells, cells, cells).filter(any), min_size=1, max_size=20)
json_lines = st.sampled_from(
    ['{"name": "L\u00e9o\u2028"}', "", "  ", "\r", "{", "[1]", "null", "NaN", "\ufeff1"]
)


def chunks(data: bytes, format_: Format, most: Limits = LARGE) -> list[Chunk]:
    return list(split(io.BytesIO(data), format_, most, COLUMNS))


def told(body: Any) -> Any:
    return body.message if isinstance(body, InvalidBody) else body


def instances(data: bytes, format_: Format, most: Limits = LARGE) -> list[tuple[int, Any]]:
    """Return lines and bodies of a file, after checking what its chunks promise."""
    found = []
    for chunk in chunks(data, format_, most):
        lines = parse(chunk, format_, ACCEPTS)
        assert len(lines) == chunk.count <= most.instances
        assert lines[0].number == chunk.first_line
        assert len(chunk.data) <= most.size_bytes
        found += [(line.number, told(line.body)) for line in lines]
    return found


def read_json(line: str) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return f"The body is not valid JSON: {error}"


@settings(deadline=None)
@given(st.lists(json_lines, max_size=30), ends, limits)
def test_json_lines_are_the_same_for_any_cut(lines: list[str], end: str, most: Limits) -> None:
    text = end.join(["{}", *lines])
    whole = [(n, read_json(line)) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    assert instances(text.encode(), "jsonl", most) == whole


@settings(deadline=None)
@given(tables, ends, limits, st.booleans())
def test_csv_is_what_the_csv_module_reads_for_any_cut(
    rows: list[tuple[str, ...]], end: str, most: Limits, has_mark: bool
) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end).writerows([("name", "age", "any"), *rows])
    text = file.getvalue()
    reader = csv.reader(io.StringIO(text, newline="\n"))
    names, starts, whole = next(reader), reader.line_num + 1, []
    for row in reader:
        body: dict[str, Any] = {name: cell for name, cell in zip(names, row, strict=True) if cell}
        with suppress(KeyError, orjson.JSONDecodeError):
            body["age"] = orjson.loads(body["age"])
        whole.append((starts, body))
        starts = reader.line_num + 1
    assert instances(text.encode("utf-8-sig" if has_mark else "utf-8"), "csv", most) == whole


@settings(deadline=None)
@given(st.text('a",\n\r', max_size=60), limits)
def test_broken_csv_is_the_same_for_any_cut(text: str, most: Limits) -> None:
    def outcome(most: Limits) -> Any:
        try:
            return instances(f"name,any\n{text}".encode(), "csv", most)
        except ServiceError as error:
            return error.message

    assert outcome(most) == outcome(LARGE)


CSV_ROWS = {
    "text": (b"Leo,,,", {"name": "Leo"}),
    "text-like-a-number": (b"7,7,,7", {"name": "7", "age": 7, "any": "7"}),
    "json": (b',,"[1, ""a""]",', {"tags": [1, "a"]}),
    "null": (b",,null,", {"tags": None}),
    "no-json": (b",007,NaN,", {"age": "007", "tags": "NaN"}),
    "lines-in-quotes": (b'"a\r\n\nb",,,', {"name": "a\r\n\nb"}),
    "nothing": (b",,,", {}),
    "quote-inside": (b'5",1,,', {"name": '5"', "age": 1}),
    "too-few": (b"Leo", "The row has 1 cells, and the header has 4"),
    "too-many": (b"Leo,1,,,,", "The row has 6 cells, and the header has 4"),
    "after-quotes": (b'"a"b,,,', "The row is not valid CSV: ',' expected after '\"'"),
}


@pytest.mark.parametrize(("row", "body"), CSV_ROWS.values(), ids=CSV_ROWS)
def test_csv_row_is_a_body_or_an_error(row: bytes, body: Any) -> None:
    data = b"\n" + ",".join(COLUMNS).encode() + b"\r\n\r\n" + row + b"\r\nLeo,,,"
    found = instances(data, "csv")
    assert found[0] == (4, body)
    assert found[-1][1] == {"name": "Leo"}


def test_csv_cell_may_be_longer_than_the_csv_module_takes() -> None:
    found = instances(b"name\n" + b"a" * 200_000, "csv")
    assert found == [(2, {"name": "a" * 200_000})]


BROKEN: dict[str, tuple[Format, bytes, str]] = {
    "empty-json": ("jsonl", b"", "The file holds no instances"),
    "blank-json": ("jsonl", b" \r\n\n\xef\xbb\xbf".lstrip(), "The file holds no instances"),
    "empty-csv": ("csv", b"", "The file has no header"),
    "blank-csv": ("csv", b"\xef\xbb\xbf\r\n\n", "The file has no header"),
    "header-alone": ("csv", b"name,age\r\n\r\n", "The file holds no instances"),
    "unknown-column": ("csv", b"\nname,Age\n", "Line 2: the column 'Age' is unknown; known are"),
    "nameless-column": ("csv", b"name,\n", "Line 1: the column '' is unknown"),
    "double-column": ("csv", b"name,name\n", "Line 1: the column 'name' is there more than once"),
    "broken-header": ("csv", b'"name"x\n', "Line 1: The row is not valid CSV"),
    "json-as-csv": ("csv", b'{"' + b"a" * 900 + b'": 1}\n', "Line 1: the column '{\"" + "a" * 98),
    "open-quotes": ("csv", b'name\nLeo\n"Leo\nLeo\n', "Line 3: a quoted cell does not end"),
    "open-quotes-in-header": ("csv", b'"name\nLeo\n', "Line 1: a quoted cell does not end"),
    "latin-1-json": ("jsonl", b'{}\n"\xe9"\n', "Line 2 is not UTF-8 text"),
    "latin-1-csv": ("csv", b'name\n"a\n\xe9"\n', "Line 3 is not UTF-8 text"),
    "utf-16": ("jsonl", '{"name": "Leo"}\n'.encode("utf-16"), "Line 1 is not UTF-8 text"),
    "zip": ("csv", b"PK\x03\x04\xff\xff", "Line 1 is not UTF-8 text"),
}


@pytest.mark.parametrize(("format_", "data", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_file_is_refused_with_the_line(format_: Format, data: bytes, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        chunks(data, format_)
    assert refused.value.message.startswith(message)
    assert len(refused.value.message) < 300


LONG: dict[str, tuple[Format, bytes, int]] = {
    "json": ("jsonl", b"{}\n" + b'"' + b"a" * 100, 2),
    "json-without-end": ("jsonl", b"[" * 10_000, 1),
    "csv": ("csv", b"name\na\n" + b"a" * 96, 3),
    "csv-over-lines": ("csv", b'name\na\n"' + b"a\n" * 60 + b'"', 3),
    "csv-header": ("csv", b"name," * 30, 1),
}


@pytest.mark.parametrize(("format_", "data", "line"), LONG.values(), ids=LONG)
def test_line_that_no_chunk_can_hold_is_refused(format_: Format, data: bytes, line: int) -> None:
    with pytest.raises(TooLarge, match=f"^Line {line} is longer than the 100 bytes allowed$"):
        chunks(data, format_, Limits(10, 100))


class Endless:
    """An upload that counts what was read of it."""

    read_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        self.read_bytes += size
        return (b'{"name": "Leo"}\n' * (size // 16 + 1))[:size]


def test_file_is_read_no_further_than_the_chunk() -> None:
    file = Endless()
    first = next(split(file, "jsonl", Limits(1_000, 1_000_000), ()))
    assert (first.first_line, first.count, len(first.data)) == (1, 1_000, 16_000)
    assert file.read_bytes < 16_000 + 65_536


def test_temporary_file_of_an_upload_can_be_split() -> None:
    with tempfile.SpooledTemporaryFile(max_size=10) as file:
        file.write(b"name\n" + b"Leo\n" * 100)
        file.seek(0)
        counts = [chunk.count for chunk in split(file, "csv", Limits(30, 1_000), COLUMNS)]
    assert counts == [30, 30, 30, 10]
