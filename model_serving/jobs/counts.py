"""How many jobs there are, for the metrics."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from model_serving.jobs.database import Database
from model_serving.jobs.tables import jobs
from model_serving.jobs.turns import is_waiting


@dataclass(frozen=True, slots=True)
class Counts:
    """The jobs of each model and state, and for how long one has been waiting for its turn."""

    jobs: Mapping[tuple[str, str], int]
    oldest_queued_s: float


def count_jobs(database: Database) -> Counts:
    """Count the jobs.

    Raises:
        RecordFailed: the database cannot be used.
    """
    each = sa.select(jobs.c.model, jobs.c.state, sa.func.count())
    each = each.group_by(jobs.c.model, jobs.c.state)
    # Also of those that are begun, as all who worked on them may be gone.
    oldest = sa.select(database.now_s - sa.func.min(jobs.c.heartbeat_s)).where(is_waiting)
    with database.reading() as connection:
        counted = {(model, state): count for model, state, count in connection.execute(each)}
        oldest_s = connection.execute(oldest).scalar_one()
    return Counts(counted, max(0.0, oldest_s or 0.0))
