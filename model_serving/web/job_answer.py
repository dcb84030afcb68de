"""A job as callers see it, and its result as lines or as a table."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from model_serving.jobs.answers import columns_of, table
from model_serving.jobs.summary import PRIORITIES, told
from model_serving.jobs.together import together

if TYPE_CHECKING:  # The tables of the record take 30 MB.
    from model_serving.jobs.job import Job, LineError
    from model_serving.jobs.results import Results

STATES = ("queued", "running", "succeeded", "failed", "cancelled")
MOST_ERRORS = 100
_INLINE_BYTES = 65_536
_PART_ROWS, _PART_BYTES = 1000, 65_536  # of a table, that are sent together

_TIME = {"type": ["string", "null"], "description": "UTC, as RFC 3339 has it"}
_COUNT = {"type": "integer", "minimum": 0}
_LINK = {"type": "string", "description": "From the root of the service"}
_ERROR = {
    "type": ["object", "null"],
    "properties": {"message": {"type": "string"}, "path": {"type": "string"}},
    "required": ["message"],
    "description": "Why it failed",
}
_PROPERTIES: dict[str, Any] = {
    "id": {"type": "string"},
    "model": {"type": "string"},
    "state": {"enum": list(STATES)},
    "priority": {"enum": list(PRIORITIES)},
    "progress": {
        "type": "object",
        "properties": {"total": _COUNT, "done": _COUNT, "failed": _COUNT},
        "required": ["total", "done", "failed"],
        "description": "Counts of instances; those that failed are done, too",
    },
    "attempts": _COUNT | {"description": "How often somebody began on it"},
    "created": _TIME | {"type": "string"},
    "started": _TIME,
    "ended": _TIME,
    "error": _ERROR,
    "links": {
        "type": "object",
        "properties": {"self": _LINK, "result": _LINK},
        "required": ["self", "result"],
    },
}
_REQUIRED = ["id", "model", "state", "priority", "progress", "attempts", "created", "links"]
SCHEMA = {"type": "object", "properties": _PROPERTIES, "required": _REQUIRED}
WHOLE_SCHEMA = {
    "type": "object",
    "properties": _PROPERTIES
    | {
        "result": {
            "description": "Of a job that succeeded, where it is small: the response, or a list of "
            "them; that of an instance that failed is its `error`"
        },
        "errors": {
            "type": "array",
            "maxItems": MOST_ERRORS,
            "items": {
                "type": "object",
                "properties": {
                    "line": {"type": "integer", "minimum": 1},
                    "message": {"type": "string"},
                    "path": {"type": "string"},
                },
                "required": ["line", "message"],
            },
            "description": "The first instances that failed; `progress.failed` counts all",
        },
    },
    "required": [*_REQUIRED, "errors"],
}
PAGE_SCHEMA = {
    "type": "object",
    "properties": {
        "jobs": {"type": "array", "items": SCHEMA},
        "next": _LINK | {"type": ["string", "null"], "description": "Of the next page, if any"},
    },
    "required": ["jobs", "next"],
}


def told_whole(job: "Job", results: "Results") -> dict[str, Any]:
    """Return all that is told of a job.

    Raises:
        NoJob: it was removed meanwhile.
        RecordFailed: the database cannot be used.
    """
    errors = islice(results.errors(job.id), MOST_ERRORS) if job.failed else ()
    answer = told(job) | {"errors": [_told_error(error) for error in errors]}
    if job.state == "succeeded" and job.result_bytes <= _INLINE_BYTES:
        all_of_them = [orjson.loads(line) for line in _lines(results.outputs(job.id))]
        answer["result"] = all_of_them[0] if job.kind == "one" else all_of_them
    return answer


def csv_of(outputs: Callable[[], Iterable[bytes]]) -> Iterator[bytes]:
    """Make a table of the outputs, which are read twice: once for its columns.

    Raises:
        NoJob: the job was removed meanwhile.
        RecordFailed: the database cannot be used.
    """
    columns = columns_of(_lines(outputs()))
    rows = table(_lines(outputs()), columns)
    for some in together(rows, _PART_ROWS, _PART_BYTES, len):
        yield b"".join(some)


def _lines(outputs: Iterable[bytes]) -> Iterator[bytes]:
    for output in outputs:
        yield from output.splitlines()


def _told_error(error: "LineError") -> dict[str, Any]:
    said: dict[str, Any] = {"line": error.line, "message": error.message}
    return said | {"path": error.path} if error.path else said
