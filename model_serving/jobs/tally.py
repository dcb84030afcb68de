"""What this process does for jobs, counted for the metrics.

A node counts what it hands in itself, so that the sum over all nodes is right. What was committed
without an answer is not counted.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from model_serving.jobs.database import Database
from model_serving.jobs.job import Job
from model_serving.metrics import JOB_CHUNKS, JOB_INSTANCES, JOB_RUN, JOB_WAIT

Later = Callable[..., None]  # Takes a function and its arguments.


@contextmanager
def counting(database: Database) -> Iterator[tuple[sa.Connection, Later]]:
    """Begin a transaction that writes, and give a way to count what it does once it is committed.

    Raises:
        RecordFailed, StorageFull: nothing was committed, or nobody can tell.
    """
    done: list[tuple[Callable[..., None], tuple[object, ...]]] = []
    with database.writing() as connection:
        yield connection, lambda count, *what: done.append((count, what))
    for count, what in done:
        count(*what)


def chunk(model: str, instances: int, failed: int) -> None:
    """Count a chunk that was handed in, with ``failed`` of its instances."""
    JOB_CHUNKS.labels(model).inc()
    JOB_INSTANCES.labels(model, "succeeded").inc(max(0, instances - failed))
    JOB_INSTANCES.labels(model, "failed").inc(failed)


def ended(job: Job) -> None:
    """Count a job that has ended here, with the times of the record."""
    if job.started_s is None or job.ended_s is None:
        return
    # The clock may have been set back.
    JOB_WAIT.labels(job.model).observe(max(0.0, job.started_s - job.created_s))
    JOB_RUN.labels(job.model, job.state).observe(max(0.0, job.ended_s - job.started_s))
