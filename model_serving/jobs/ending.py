"""The end of a job: once, whatever the reason."""

from dataclasses import replace

import sqlalchemy as sa

from model_serving.jobs.job import ENDED, Job, State
from model_serving.jobs.tables import callbacks, chunks, jobs


def end(
    connection: sa.Connection,
    job: Job,
    state: State,
    now_s: sa.ColumnElement[float],
    error: dict[str, str] | None = None,
) -> Job:
    """End a job that is locked by this transaction, and return it as it was or is now.

    What it was asked to tell at the end is due from now on. Its inputs are not needed any more.
    """
    if job.state in ENDED:
        return job
    ended = (
        sa.update(jobs)
        .where(jobs.c.id == job.id)
        .values(state=state, ended_s=now_s, error=error)
        .returning(jobs.c.ended_s)
    )
    ended_s = connection.execute(ended).scalar_one()
    connection.execute(
        sa.update(chunks)
        .where(chunks.c.job_id == job.id, chunks.c.input.is_not(None))
        .values(input=None)
    )
    if job.callback_url is not None:
        connection.execute(
            sa.insert(callbacks).values(
                job_id=job.id, url=job.callback_url, state="waiting", attempts=0, next_s=ended_s
            )
        )
    return replace(job, state=state, ended_s=ended_s, error=error)
