"""The callbacks: what is to be told to the caller of a job that has ended."""

from dataclasses import dataclass

import sqlalchemy as sa

from model_serving.jobs.database import Database
from model_serving.jobs.tables import callbacks


@dataclass(frozen=True, slots=True)
class Callback:
    """A URL to be told of a job's end; ``attempts`` counts this one too."""

    job_id: str
    url: str
    attempts: int


class Callbacks:
    """Each is delivered once, or again where the deliverer died before it could say so."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_due(self, lease_s: float, limit: int = 10) -> list[Callback]:
        """Return callbacks that are due; for ``lease_s`` nobody else gets them.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        now_s = self._database.now_s
        due = (
            sa.select(callbacks.c.job_id)
            .where(callbacks.c.state == "waiting", callbacks.c.next_s <= now_s)
            .order_by(callbacks.c.next_s)
            .limit(limit)
        )
        with self._database.reading() as connection:  # Nobody is kept from writing for nothing.
            if connection.execute(due).first() is None:
                return []
        due = due.with_for_update(skip_locked=True)
        taken = (
            sa.update(callbacks)
            .where(callbacks.c.job_id.in_(due.scalar_subquery()))
            .values(attempts=callbacks.c.attempts + 1, next_s=now_s + lease_s)
            .returning(callbacks.c.job_id, callbacks.c.url, callbacks.c.attempts)
        )
        with self._database.writing() as connection:
            return [Callback(*row) for row in connection.execute(taken)]

    def delivered(self, callback: Callback) -> None:
        """Say that a caller was told.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        self._change(callback, state="delivered", last_error=None)

    def retry(self, callback: Callback, after_s: float, error: str) -> None:
        """Have a callback due again later.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        self._change(callback, next_s=self._database.now_s + after_s, last_error=error)

    def give_up(self, callback: Callback, error: str) -> None:
        """Say that a caller cannot be told.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        self._change(callback, state="given_up", last_error=error)

    def _change(self, callback: Callback, **values: object) -> None:
        """Change a callback, unless somebody else has taken it since."""
        is_ours = (
            callbacks.c.job_id == callback.job_id,
            callbacks.c.attempts == callback.attempts,
            callbacks.c.state == "waiting",
        )
        with self._database.writing() as connection:
            connection.execute(sa.update(callbacks).where(*is_ours).values(**values))
