"""The record of jobs: they are accepted, looked up and cancelled here.

One object for each process, made after any fork; its threads share it.
"""

import logging
from collections.abc import Iterable

import sqlalchemy as sa

from model_serving.errors import BadRequest, KeyReused, RecordFailed, StorageFull, TooManyJobs
from model_serving.jobs.callbacks import Callbacks
from model_serving.jobs.chunk import Chunk, size_of
from model_serving.jobs.claims import Claims
from model_serving.jobs.counts import Counts, count_jobs
from model_serving.jobs.database import Database, create_engine
from model_serving.jobs.ending import end
from model_serving.jobs.job import (
    OPEN,
    Accepted,
    Job,
    NewJob,
    Page,
    State,
    as_job,
    find_job,
    insert_job,
    is_id,
)
from model_serving.jobs.limits import Limits
from model_serving.jobs.migration import migrate
from model_serving.jobs.results import Results
from model_serving.jobs.tables import chunks, jobs
from model_serving.jobs.together import together
from model_serving.jobs.turns import Turns
from model_serving.jobs.upkeep import Upkeep

_AT_A_TIME, _HELD_BYTES = 16, 1024 * 1024  # chunks that are held in memory, and inserted together
_RETRY_AFTER_S = 10

_log = logging.getLogger("service")


class Record:
    """All jobs. Each operation is a short transaction of its own.

    ``claims`` are the work on them, ``turns`` its order, ``results`` what came of it, ``callbacks``
    what to tell their callers, and ``upkeep`` what has to be done now and then.
    """

    def __init__(self, database: Database, limits: Limits) -> None:
        self.limits = limits
        self.turns = Turns(database)
        self.claims = Claims(database, limits, self.turns)
        self.results = Results(database)
        self.callbacks = Callbacks(database)
        self.upkeep = Upkeep(database, limits)
        self._database = database

    def accept(self, new: NewJob, work: Iterable[Chunk]) -> Accepted:
        """Keep a job with its chunks, at once and for good.

        With SQLite nobody else can write meanwhile: ``work`` must be ready to be read, not be made
        while it is. Where it raises, nothing is kept. Whoever accepts at the same moment may exceed
        ``max_jobs``.

        Raises:
            KeyReused: there is another job of this key.
            TooManyJobs: there are ``max_jobs`` already.
            BadRequest: there is no instance.
            RecordFailed, StorageFull: it is not kept, or nobody can tell.
        """
        try:
            return self._accept(new, work)
        except sa.exc.IntegrityError:  # Somebody was faster with the same key.
            with self._database.reading() as connection:
                if (found := _find_same(connection, new)) is None:
                    raise
            return Accepted(found, is_new=False)

    def find(self, job_id: str) -> Job | None:
        """Return a job.

        Raises:
            RecordFailed: the database cannot be used.
        """
        with self._database.reading() as connection:
            return find_job(connection, job_id)

    def page(
        self,
        model: str | None = None,
        state: State | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """List the newest jobs, or those that follow on a page whose ``cursor`` this is.

        Raises:
            BadRequest: it is no cursor.
            RecordFailed: the database cannot be used.
        """
        wanted = sa.select(jobs).order_by(jobs.c.id.desc()).limit(limit + 1)
        for column, value in ((jobs.c.model, model), (jobs.c.state, state)):
            if value is not None:
                wanted = wanted.where(column == value)
        if cursor is not None:
            if not is_id(cursor):
                raise BadRequest("'cursor' is not one of a list of jobs")
            wanted = wanted.where(jobs.c.id < cursor)
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        listed = [as_job(row) for row in rows[:limit]]
        return Page(listed, listed[-1].id if len(rows) > limit else None)

    def cancel(self, job_id: str) -> Job | None:
        """End a job that has not ended; its workers hear of it. Return it as it is now.

        Raises:
            RecordFailed, StorageFull: it is not cancelled, or nobody can tell.
        """
        with self._database.writing() as connection:
            job = find_job(connection, job_id, lock=True)
            return job and end(connection, job, "cancelled", self._database.now_s)

    def counts(self) -> Counts:
        """Return how many jobs there are, and for how long one has been waiting for its turn.

        Raises:
            RecordFailed: the database cannot be used.
        """
        return count_jobs(self._database)

    def check(self) -> None:
        """Return if the database can be used.

        Raises:
            RecordFailed: it cannot.
        """
        with self._database.reading() as connection:
            connection.execute(sa.select(jobs.c.id).limit(1))

    def close(self) -> None:
        """Close the connections."""
        self._database.engine.dispose()

    def _accept(self, new: NewJob, work: Iterable[Chunk]) -> Accepted:
        with self._database.writing() as connection:
            if found := _find_same(connection, new):
                return Accepted(found, is_new=False)
            is_open = sa.select(sa.func.count()).where(jobs.c.state.in_(OPEN))
            if connection.execute(is_open).scalar_one() >= self.limits.max_jobs:
                raise TooManyJobs(retry_after_s=_RETRY_AFTER_S)
            job_id = insert_job(connection, new, self._database.now_s)
            total, number = _insert_chunks(connection, job_id, work)
            if total == 0:
                raise BadRequest("There are no instances")
            changed = sa.update(jobs).where(jobs.c.id == job_id)
            changed = changed.values(total=total, chunks=number)
            return Accepted(as_job(connection.execute(changed.returning(jobs)).one()), is_new=True)


def open_record(url: str, limits: Limits | None = None) -> Record:
    """Open the record, and bring its database up to date.

    That a database is away does not keep the service from starting: it is logged, and each
    operation fails until one finds it there.

    Raises:
        ConfigError: ``url`` is wrong, or what is there cannot be used by this version.
    """
    database = Database(create_engine(url), migrate)
    try:
        database.prepare()
    except (RecordFailed, StorageFull) as error:
        _log.error("%s: %s", error, error.__cause__)
    except BaseException:
        database.engine.dispose()
        raise
    return Record(database, limits or Limits())


def _find_same(connection: sa.Connection, new: NewJob) -> Job | None:
    """Find the job that a request has made before.

    Raises:
        KeyReused: it was another request.
    """
    if new.idempotency_key is None:
        return None
    wanted = sa.select(jobs).where(jobs.c.idempotency_key == new.idempotency_key)
    row = connection.execute(wanted).one_or_none()
    if row and (row.model, row.body_sha256) != (new.model, new.body_sha256):
        raise KeyReused
    return None if row is None else as_job(row)


def _insert_chunks(
    connection: sa.Connection, job_id: str, work: Iterable[Chunk]
) -> tuple[int, int]:
    """Insert chunks, few at a time, and return how many instances and chunks there are."""
    total, number = 0, 0
    for some in together(work, _AT_A_TIME, _HELD_BYTES, size_of):
        rows = [
            {
                "job_id": job_id,
                "number": at,
                "first_line": chunk.first_line,
                "count": chunk.count,
                "input": chunk.data,
                "state": "waiting",
                "attempts": 0,
            }
            for at, chunk in enumerate(some, number)
        ]
        connection.execute(sa.insert(chunks), rows)
        total += sum(chunk.count for chunk in some)
        number += len(some)
    return total, number
