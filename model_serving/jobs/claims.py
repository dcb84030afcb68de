"""The work on chunks: who takes one, shows signs of life, and hands in what came of it."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from model_serving.jobs import tally
from model_serving.jobs.database import Database
from model_serving.jobs.ending import end
from model_serving.jobs.job import ENDED, Job, LineError, State, as_job, find_job
from model_serving.jobs.limits import Limits
from model_serving.jobs.tables import chunks, jobs
from model_serving.jobs.turns import Turns


@dataclass(frozen=True, slots=True)
class Claim:
    """A chunk that somebody works on, with its instances.

    ``token`` is what nobody else has, ``since_s`` when the job had its turn before.
    """

    job: Job
    number: int
    first_line: int
    count: int
    input: bytes
    token: str
    since_s: float


class Claims:
    """Each chunk is handed in once, by who claimed it last."""

    def __init__(self, database: Database, limits: Limits, turns: Turns) -> None:
        self._database = database
        self._limits = limits
        self._turns = turns

    def claim_next(self, worker: str, models: Collection[str]) -> Claim | None:
        """Take a chunk of the job whose turn it is, of those of some models; None without any.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        while (job_id := self._turns.first(models)) is not None:
            if claim := self.claim(job_id, worker):  # Somebody else may have been faster.
                return claim
        return None

    def claim(self, job_id: str, worker: str) -> Claim | None:
        """Take the first chunk of a job that waits; None where there is none.

        ``worker`` is a name that tells an operator who it is. A chunk that was begun
        ``max_attempts`` times ends its job instead.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        with tally.counting(self._database) as (connection, count):
            job = find_job(connection, job_id, lock=True)
            if job is None or job.state in ENDED:
                return None
            is_waiting = (chunks.c.job_id == job_id, chunks.c.state == "waiting")
            waiting = sa.select(chunks).where(*is_waiting).order_by(chunks.c.number).limit(1)
            chunk = connection.execute(waiting).one_or_none()
            if chunk is None:
                return None
            if chunk.attempts >= self._limits.max_attempts:
                count(tally.ended, self._end_by_poison(connection, job, chunk))
                return None
            token = f"{worker} {secrets.token_hex(16)}"
            begun = self._begin(connection, job, chunk, token)
        return Claim(
            job=begun,
            number=chunk.number,
            first_line=chunk.first_line,
            count=chunk._mapping["count"],  # A row has a method of this name.
            input=chunk.input,
            token=token,
            since_s=job.heartbeat_s,
        )

    def heartbeat(self, claim: Claim) -> bool:
        """Show a sign of life, a few times in ``stale_s``; return whether to go on.

        Not where the job was cancelled or has failed, and where somebody else has the chunk.

        Raises:
            RecordFailed, StorageFull: nobody can tell.
        """
        with self._database.writing() as connection:
            now_s = self._database.now_s
            job = find_job(connection, claim.job.id, lock=True)
            if job is None or job.state in ENDED:
                return False
            if not self._change(connection, claim, state="running", heartbeat_s=now_s):
                return False
            _show_life(connection, job, now_s)
            return True

    def complete(
        self, claim: Claim, output: bytes, failed: int = 0, errors: Sequence[LineError] = ()
    ) -> bool:
        """Hand in what came of a chunk, and end the job if it was the last.

        A job of one body fails if that did.

        ``output`` are JSON Lines, one for each instance; ``failed`` of them are errors. Return
        whether it counts: not where ``heartbeat`` would have said no. Doing it again changes
        nothing, so that who was not answered can repeat it.

        Raises:
            RecordFailed, StorageFull: it is not handed in, or nobody can tell.
        """
        kept = [asdict(error) for error in errors[: self._limits.max_errors]]
        with tally.counting(self._database) as (connection, count):
            job = find_job(connection, claim.job.id, lock=True)
            if job is None:
                return False
            now_s = self._database.now_s
            changes = {"state": "done", "input": None, "output": output, "errors": kept or None}
            if job.state in ENDED or not self._change(connection, claim, **changes):
                return self._is_done(connection, claim)
            counters = {"done": claim.count, "failed": failed, "result_bytes": len(output)}
            more = {name: jobs.c[name] + value for name, value in counters.items()}
            _show_life(connection, job, now_s, **more)
            count(tally.chunk, job.model, claim.count, failed)
            if job.done + claim.count == job.total:
                one_failed = job.kind == "one" and kept
                state: State = "failed" if one_failed else "succeeded"
                error = {key: kept[0][key] for key in ("message", "path")} if one_failed else None
                count(tally.ended, end(connection, job, state, now_s, error))
            return True

    def release(self, claim: Claim) -> bool:
        """Give a chunk back untried, as a worker does that stops: it was no attempt, and no turn.

        Return whether the claim still held.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        with self._database.writing() as connection:
            job = find_job(connection, claim.job.id, lock=True)
            if job is None or job.state in ENDED:
                return False
            untried = {"state": "waiting", "claim": None, "attempts": chunks.c.attempts - 1}
            if not self._change(connection, claim, **untried):
                return False
            of_others = (chunks.c.job_id == job.id, chunks.c.state == "running")
            again = sa.update(jobs).where(jobs.c.id == job.id, ~sa.exists().where(*of_others))
            connection.execute(again.values(heartbeat_s=claim.since_s))
            return True

    def _begin(self, connection: sa.Connection, job: Job, chunk: sa.Row[Any], token: str) -> Job:
        now_s = self._database.now_s
        connection.execute(
            sa.update(chunks)
            .where(chunks.c.job_id == job.id, chunks.c.number == chunk.number)
            .values(state="running", claim=token, heartbeat_s=now_s, attempts=chunks.c.attempts + 1)
        )
        started_s = sa.func.coalesce(jobs.c.started_s, now_s)
        is_attempt = job.state == "queued" or chunk.attempts > 0
        attempts = jobs.c.attempts + int(is_attempt)
        return _show_life(connection, job, now_s, started_s=started_s, attempts=attempts)

    def _end_by_poison(self, connection: sa.Connection, job: Job, chunk: sa.Row[Any]) -> Job:
        message = f"The work was begun {chunk.attempts} times, and never came to its end"
        if job.kind == "many":
            last_line = chunk.first_line + chunk._mapping["count"] - 1
            message += f": lines {chunk.first_line} to {last_line}"
        connection.execute(
            sa.update(chunks)
            .where(chunks.c.job_id == job.id, chunks.c.number == chunk.number)
            .values(state="failed", claim=None)
        )
        error = {"message": message, "path": ""}
        return end(connection, job, "failed", self._database.now_s, error)

    @staticmethod
    def _is_done(connection: sa.Connection, claim: Claim) -> bool:
        wanted = sa.select(chunks.c.number).where(*_same(claim), chunks.c.state == "done")
        return connection.execute(wanted).first() is not None

    @staticmethod
    def _change(connection: sa.Connection, claim: Claim, /, **values: object) -> bool:
        """Change a chunk that is still claimed, and return whether it was.

        One that was taken from who seemed dead is still his until somebody else claims it.
        """
        is_open = chunks.c.state.in_(("waiting", "running"))
        still = sa.update(chunks).where(*_same(claim), is_open)
        return connection.execute(still.values(**values)).rowcount == 1


def _same(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        chunks.c.job_id == claim.job.id,
        chunks.c.number == claim.number,
        chunks.c.claim == claim.token,
    )


def _show_life(
    connection: sa.Connection, job: Job, now_s: sa.ColumnElement[float], **values: object
) -> Job:
    """Note that somebody works on a job, and return it as it is now."""
    changed = sa.update(jobs).where(jobs.c.id == job.id)
    changed = changed.values(state="running", heartbeat_s=now_s, **values)
    return as_job(connection.execute(changed.returning(jobs)).one())
