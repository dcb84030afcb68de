"""What came of a job, read chunk by chunk, so that no process grows with it."""

from collections.abc import Iterator

import sqlalchemy as sa

from model_serving.errors import NoJob, RecordFailed
from model_serving.jobs.database import Database
from model_serving.jobs.job import LineError
from model_serving.jobs.tables import chunks, jobs


class Results:
    """Outputs and errors, in the order of the instances."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def outputs(self, job_id: str) -> Iterator[bytes]:
        """Yield the output of each chunk that is done, up to the first that is not.

        Each is JSON Lines. No transaction is open between two of them, so a reader may take its
        time; of a job that has succeeded it gets all, or an error.

        Raises:
            NoJob: there is none.
            RecordFailed: the database cannot be used, or the job was removed meanwhile.
        """
        with self._database.reading() as connection:
            wanted = sa.select(jobs.c.chunks).where(jobs.c.id == job_id)
            count = connection.scalar(wanted)
        if count is None:
            raise NoJob
        for number in range(count):
            wanted_chunk = sa.select(chunks.c.state, chunks.c.output).where(
                chunks.c.job_id == job_id, chunks.c.number == number
            )
            with self._database.reading() as connection:
                row = connection.execute(wanted_chunk).one_or_none()
            if row is None:
                raise RecordFailed("The job was removed while its result was read")
            if row.state != "done":
                return
            yield row.output

    def errors(self, job_id: str) -> Iterator[LineError]:
        """Yield why instances failed, by their lines; of each chunk the first ``max_errors``.

        Raises:
            RecordFailed: the database cannot be used.
        """
        last = -1
        wanted = (
            sa.select(chunks.c.number, chunks.c.errors)
            .where(chunks.c.job_id == job_id, chunks.c.errors.is_not(None))
            .order_by(chunks.c.number)
            .limit(1)
        )
        while True:
            with self._database.reading() as connection:
                row = connection.execute(wanted.where(chunks.c.number > last)).one_or_none()
            if row is None:
                return
            yield from (LineError(**error) for error in row.errors)
            last = row.number
