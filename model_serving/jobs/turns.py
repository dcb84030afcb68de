"""Whose turn it is: which job the chunk is of that a worker does next."""

from collections.abc import Collection
from itertools import count

import sqlalchemy as sa

from model_serving.jobs.database import Database
from model_serving.jobs.job import OPEN
from model_serving.jobs.tables import chunks, jobs

_LOWEST_FIRST = 10
is_waiting = jobs.c.state.in_(OPEN) & sa.exists().where(
    chunks.c.job_id == jobs.c.id, chunks.c.state == "waiting"
)


class Turns:
    """The order of the chunks.

    Jobs of high priority go first, and those of the same take turns. Each tenth chunk that a worker
    asks for is of one of low priority, so that these come to their end, however many others there
    are. A broker could not say it: it does not know which model a worker may ask just now, and what
    it has handed out waits behind a chunk.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._number = count(1)

    def first(self, models: Collection[str]) -> str | None:
        """Return the id of the job of these models that has been waiting for the longest.

        Raises:
            RecordFailed: the database cannot be used.
        """
        lowest_first = next(self._number) % _LOWEST_FIRST == 0
        priority = jobs.c.priority if lowest_first else jobs.c.priority.desc()
        waiting = sa.select(jobs.c.id).where(is_waiting, jobs.c.model.in_(models))
        first = waiting.order_by(priority, jobs.c.heartbeat_s).limit(1)
        with self._database.reading() as connection:
            return connection.scalar(first)
