"""Jobs for tests, and what they come to."""

import hashlib
import os
import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from model_serving.jobs import database, tables
from model_serving.jobs.chunk import Chunk
from model_serving.jobs.claims import Claim
from model_serving.jobs.job import Job, NewJob
from model_serving.jobs.record import Record, open_record
from tests.services.postgres import Postgres
from tests.services.processes import PATIENCE_S


def new_database(server: Postgres) -> str:
    """Return the URL of an empty database, for which a connection may take its time."""
    return f"{server.new_database(f'jobs_{secrets.token_hex(4)}')}?connect_timeout=120"


def new_job(body: bytes = b"{}", **more: str | int | None) -> NewJob:
    """Return a job for a body."""
    job = {"model": "XXXModel", "kind": "many", "format": "jsonl"} | more
    return NewJob(body_sha256=hashlib.sha256(body).hexdigest(), **job)  # type: ignore[arg-type]


def work(chunks: int = 1, count: int = 2) -> list[Chunk]:
    """Return chunks whose inputs are their own numbers."""
    return [Chunk(1 + number * count, count, b"in %d" % number) for number in range(chunks)]


def accepted(record: Record, chunks: int = 1, **more: str | int | None) -> Job:
    """Have a new job accepted."""
    return record.accept(new_job(**more), work(chunks)).job  # type: ignore[arg-type]


def claimed(record: Record, job_id: str) -> Claim:
    """Claim a chunk of a job that has one."""
    claim = record.claims.claim(job_id, "tester")
    assert claim is not None
    return claim


def has_waiting(record: Record, job_id: str) -> bool:
    """Return whether a chunk of a job waits for somebody."""
    chunks = tables.chunks.c
    waiting = tables.chunks.select().where(chunks.job_id == job_id, chunks.state == "waiting")
    with record._database.reading() as connection:
        return connection.execute(waiting).first() is not None


def found(record: Record, job_id: str) -> Job:
    """Find a job that is there."""
    job = record.find(job_id)
    assert job is not None
    return job


def work_on(url: str, job_ids: list[str], threads: int) -> list[tuple[str, int]]:
    """Be a process that works on jobs in threads; return the chunks that counted for it."""
    database._PATIENCE_S = int(PATIENCE_S)
    with closing(open_record(url)) as record, ThreadPoolExecutor(threads) as pool:
        parts = pool.map(lambda _: _work_on(record, job_ids), range(threads))
        return [each for part in parts for each in part]


def _work_on(record: Record, job_ids: list[str]) -> list[tuple[str, int]]:
    done = []
    while claims := [claim for each in job_ids if (claim := record.claims.claim(each, "tester"))]:
        for claim in claims:
            assert record.claims.heartbeat(claim)
            if record.claims.complete(claim, claim.input + b"\n"):
                done.append((claim.job.id, claim.number))
    return done


def die_after_accepting(url: str, key: str) -> None:
    """Be a process that is killed once its job is accepted."""
    open_record(url).accept(new_job(idempotency_key=key), work())
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_accepting(url: str, key: str) -> None:
    """Be a process that is killed when a part of its job is written."""

    def work_of_a_dying() -> Iterator[Chunk]:
        yield from work(chunks=50)
        os.kill(os.getpid(), signal.SIGKILL)

    open_record(url).accept(new_job(idempotency_key=key), work_of_a_dying())


def accept_one(url: str) -> str:
    """Be a process that starts and accepts a job; return its id."""
    with closing(open_record(url)) as record:
        return accepted(record).id
