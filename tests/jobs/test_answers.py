"""Answers are lines of JSON, and rows of a table made of these."""

import csv
import io
from typing import Any

import pytest

from model_serving.errors import InvalidBody
from model_serving.jobs.answers import answer_line, columns_of, failure_line, table

LINES = [
    answer_line({"result": 'Hello, "Leo"\n', "score": 0.5}),
    failure_line(4, InvalidBody("'name' is too short", "/name")),
    answer_line({"result": "", "labels": ["é", None], "score": None}),
]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (LINES[1], b'{"error":{"line":4,"message":"\'name\' is too short","path":"/name"}}\n'),
        (
            failure_line(9, InvalidBody()),
            b'{"error":{"line":9,"message":"The body is not valid"}}\n',
        ),
        (answer_line({"result": "a\nb"}), b'{"result":"a\\nb"}\n'),
    ],
    ids=["path", "no-path", "response"],
)
def test_answer_is_one_line(line: bytes, text: bytes) -> None:
    assert line == text


def rows(lines: list[bytes]) -> list[dict[str, Any]]:
    text = b"".join(table(lines, columns_of(lines))).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_table_has_a_column_for_each_member_and_the_error_last() -> None:
    assert columns_of(LINES) == ["result", "score", "labels", "error"]
    assert rows(LINES) == [
        {"result": 'Hello, "Leo"\n', "score": "0.5", "labels": "", "error": ""},
        {
            "result": "",
            "score": "",
            "labels": "",
            "error": '{"line":4,"message":"\'name\' is too short","path":"/name"}',
        },
        {"result": "", "score": "null", "labels": '["é",null]', "error": ""},
    ]


def test_response_that_is_no_object_has_a_column_too() -> None:
    assert rows([answer_line([1])]) == [{"response": "[1]", "error": ""}]
