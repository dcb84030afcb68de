"""What has to be done now and then: finding what was left, and removing what is old.

Any number of processes may do it at the same time; they do not wait for each other.
"""

import time
from collections.abc import Collection

import sqlalchemy as sa

from model_serving.jobs import tally
from model_serving.jobs.database import PAUSE_S, Database
from model_serving.jobs.ending import end
from model_serving.jobs.job import ENDED, OPEN, as_job, find_job
from model_serving.jobs.limits import Limits
from model_serving.jobs.tables import chunks, is_running, jobs

_AT_A_TIME = 100  # chunks to be freed, jobs to be ended
_REMOVED_AT_A_TIME = 16  # jobs, and chunks: nobody else can write to SQLite meanwhile
UNSERVED_S = 600.0  # Within that, an update has come to all nodes.


class Upkeep:
    """The sweeps of the record."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    def free_left(self) -> None:
        """Let others have what workers hold that show no sign of life any more.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        self._free(chunks.c.heartbeat_s <= self._database.now_s - self._limits.stale_s)

    def free(self, worker: str) -> None:
        """Let others have at once what a worker held that is dead, or does nothing.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        self._free(chunks.c.claim.startswith(f"{worker} ", autoescape=True))

    def end_unserved(self, served: Collection[str]) -> None:
        """End the jobs of models that this node has not, and no other has served for long.

        A node that was updated before the others may have accepted them for a new model.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        last_s = sa.func.max(jobs.c.heartbeat_s)
        others = jobs.c.state.in_(OPEN) & jobs.c.model.not_in(served)
        silent = sa.select(jobs.c.model).where(others).group_by(jobs.c.model)
        silent = silent.having(last_s <= self._database.now_s - UNSERVED_S)
        left = sa.select(jobs).where(others, jobs.c.model.in_(silent)).limit(_AT_A_TIME)
        with self._database.reading() as connection:
            found = [as_job(row) for row in connection.execute(left)]
        for job in found:
            with tally.counting(self._database) as (connection, count):
                if find_job(connection, job.id, lock=True) == job:  # Nobody has it meanwhile.
                    error = {"message": f"{job.model} is not served any more", "path": ""}
                    count(tally.ended, end(connection, job, "failed", self._database.now_s, error))

    def remove_old(self) -> int:
        """Remove what ended more than ``max_age_s`` ago, with its results; return the count.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        removed = 0
        while (gone := self._remove_some()) is not None:
            removed += gone
            time.sleep(PAUSE_S)
        if removed:
            self._database.give_back()
        return removed

    def oldest_s(self) -> float:
        """Return how long ago the first of the jobs that are kept was accepted; 0 without any.

        Raises:
            RecordFailed: the database cannot be used.
        """
        age_s = sa.select(self._database.now_s - jobs.c.created_s).order_by(jobs.c.id).limit(1)
        with self._database.reading() as connection:
            return max(0.0, connection.execute(age_s).scalar_one_or_none() or 0.0)

    def _remove_some(self) -> int | None:
        """Remove a part of what is old; return how many jobs are gone, None where none was left."""
        old = (
            sa.select(jobs.c.id)
            .where(jobs.c.ended_s <= self._database.now_s - self._limits.max_age_s)
            .order_by(jobs.c.ended_s)
            .limit(_REMOVED_AT_A_TIME)
            .with_for_update(skip_locked=True)
        )
        key = sa.tuple_(chunks.c.job_id, chunks.c.number)
        with self._database.writing() as connection:
            ids = connection.execute(old).scalars().all()
            if not ids:
                return None
            part = sa.select(chunks.c.job_id, chunks.c.number).where(chunks.c.job_id.in_(ids))
            part = part.order_by(chunks.c.job_id, chunks.c.number).limit(_REMOVED_AT_A_TIME)
            cleared = connection.execute(sa.delete(chunks).where(key.in_(part))).rowcount
            if cleared == _REMOVED_AT_A_TIME:
                return 0
            return connection.execute(sa.delete(jobs).where(jobs.c.id.in_(ids))).rowcount

    def remove(self, job_id: str) -> None:
        """Remove a job with its results; nothing, where it has not ended.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        with self._database.writing() as connection:
            connection.execute(sa.delete(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(ENDED)))

    def _free(self, is_left: sa.ColumnElement[bool]) -> None:
        """Let others have what such claims hold.

        Whoever is alive after all, as after an outage of the database, has it until then.
        """
        left = (
            sa.select(chunks.c.job_id, chunks.c.number)
            .where(is_running, is_left)
            .order_by(chunks.c.heartbeat_s)
            .limit(_AT_A_TIME)
            .with_for_update(skip_locked=True)
        )
        with self._database.writing() as connection:
            if found := connection.execute(left).all():
                keys = sa.tuple_(chunks.c.job_id, chunks.c.number)
                is_found = keys.in_([tuple(key) for key in found])
                connection.execute(sa.update(chunks).where(is_found).values(state="waiting"))
