"""A job, as the record tells of it."""

import re
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

import sqlalchemy as sa

from model_serving.jobs.tables import jobs

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Kind = Literal["one", "many"]  # One body whose response is the result, or a list of lines.
Format = Literal["msgpack", "jsonl", "csv"]  # Of the inputs.
_ID = re.compile(r"[0-9a-f]{32}")
OPEN: tuple[State, ...] = ("queued", "running")
ENDED: tuple[State, ...] = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a caller asks for, beside the instances; times and states are the record's."""

    model: str
    body_sha256: str
    kind: Kind = "one"
    format: Format = "msgpack"
    priority: int = 0
    idempotency_key: str | None = None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the table of jobs."""

    id: str
    model: str
    state: State
    priority: int
    kind: Kind
    format: Format
    total: int
    done: int
    failed: int
    chunks: int
    result_bytes: int
    attempts: int
    created_s: float
    started_s: float | None
    ended_s: float | None
    heartbeat_s: float
    idempotency_key: str | None
    body_sha256: str
    callback_url: str | None
    error: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job of a request; it ``is_new``, or was there under the same key."""

    job: Job
    is_new: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, newest first, and the cursor of the next ones if there are any."""

    jobs: list[Job]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class LineError:
    """Why an instance failed: its line, and the JSON pointer of the field at fault."""

    line: int
    message: str
    path: str = ""


def is_id(text: str) -> bool:
    """Return whether this may be the id of a job; what may not is no text for a database."""
    return _ID.fullmatch(text) is not None


def _new_id() -> str:
    """Return 32 hex letters: the time in milliseconds, and chance."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def find_job(connection: sa.Connection, job_id: str, *, lock: bool = False) -> Job | None:
    """Find a job, if there is one of this id.

    ``lock`` keeps others from changing it before the end of the transaction. Whoever changes a job
    or its chunks locks the job first: one order, so that nobody waits in a circle.
    """
    if not is_id(job_id):
        return None
    wanted = sa.select(jobs).where(jobs.c.id == job_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).one_or_none()
    return None if row is None else as_job(row)


def as_job(row: sa.Row[*tuple[Any, ...]]) -> Job:
    """Return a row of the table as a job."""
    return Job(**row._mapping)


def insert_job(connection: sa.Connection, new: NewJob, now_s: sa.ColumnElement[float]) -> str:
    """Insert a queued job without chunks, and return its id."""
    job_id = _new_id()
    counters = dict.fromkeys(("total", "done", "failed", "chunks", "result_bytes", "attempts"), 0)
    times = dict.fromkeys(("created_s", "heartbeat_s"), now_s)
    row = asdict(new) | counters | times | {"id": job_id, "state": "queued"}
    connection.execute(sa.insert(jobs).values(row))
    return job_id
