"""A run: the parts of a file as jobs, a few at a time, and their ends in order.

The key of a job is made of what is asked for, so a run that comes after one that was interrupted
finds what is done and what is in progress.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from model_serving.errors import TooManyJobs, Unavailable
from model_serving.jobs.chunk import Format
from model_serving.jobs.desk import Desk
from model_serving.jobs.job import ENDED, Job
from model_serving.score.parts import Part
from model_serving.score.progress import Progress

Asking = TypeVar("Asking")
Answer = TypeVar("Answer")

_AHEAD = 4  # parts, so that no worker waits while the next is read
_LOOK_S = 0.1
_PATIENCE_S = 60.0  # for a database or a broker that is started again
_AGAIN_S = 1.0


class JobFailed(Exception):
    """A part was given up; the message says why."""


@dataclass(frozen=True)
class Asked:
    """What is to be done; ``output`` is the file that the answers go to, by its whole path."""

    model: str
    format: Format
    output: str
    size_bytes: int


@dataclass
class Tally:
    """What is done, of the parts that are collected."""

    done: int = 0
    failed: int = 0
    read_bytes: int = 0


class Run:
    """Scores a file by the workers there are."""

    def __init__(
        self, desk: Desk, asked: Asked, progress: Progress, check: Callable[[], None]
    ) -> None:
        """``check`` raises where nobody is left who could do the work."""
        self._desk = desk
        self._asked = asked
        self._progress = progress
        self._check = check
        self._handed: deque[tuple[Part, Job]] = deque()
        self._note = ""
        self.tally = Tally()

    def jobs(self, parts: Iterator[Part]) -> Iterator[Job]:
        """Yield the job of each part, in order, once it has succeeded.

        Raises:
            JobFailed: one has not.
            BadRequest, TooLarge: the file cannot be used.
            Unavailable, StorageFull: the database or the broker cannot be used.
        """
        part = next(parts, None)
        while part is not None or self._handed:
            while part is not None and len(self._handed) < _AHEAD:
                job = self._patiently(self._hand_in, part)
                if job is None:
                    time.sleep(_AGAIN_S)
                    break
                # What the record has need not be held here.
                self._handed.append((replace(part, chunks=[]), job))
                part = None  # One at a time is held.
                part = next(parts, None)
            self._look()
            first, job = self._handed[0] if self._handed else (None, None)
            if first is not None and job is not None and job.state == "succeeded":
                self._handed.popleft()
                self.tally.done += job.total
                self.tally.failed += job.failed
                self.tally.read_bytes = first.end_bytes
                yield job
            else:
                time.sleep(_LOOK_S)

    def _hand_in(self, part: Part) -> Job | None:
        """Return the job of a part; None where there is no room for it now."""
        asked = self._asked
        digest = part.sha256(asked.model, asked.format, asked.output)
        wanted: dict[str, Any] = {
            "model": asked.model,
            "kind": "many",
            "format": asked.format,
            "body_sha256": digest,
            "idempotency_key": f"score {digest}",
        }
        try:
            accepted = self._desk.hand_in(part.chunks, **wanted)
            if accepted.job.state in ("failed", "cancelled"):  # In a run before this one.
                self._desk.record.upkeep.remove(accepted.job.id)
                accepted = self._desk.hand_in(part.chunks, **wanted)
        except TooManyJobs as error:
            self._note = error.message
            return None
        self._note = ""
        return accepted.job

    def _look(self) -> None:
        """Ask how far the parts are, and show it."""
        self._check()
        for number, (part, job) in enumerate(self._handed):
            if job.state not in ENDED:
                self._handed[number] = part, self._patiently(self._found, job)
        done, failed, read_bytes = self.tally.done, self.tally.failed, self.tally.read_bytes
        share_bytes, start_bytes = float(read_bytes), read_bytes
        for part, job in self._handed:
            if job.state in ("failed", "cancelled"):
                reason = (job.error or {}).get("message", "somebody has cancelled it")
                raise JobFailed(f"job {job.id} has not succeeded: {reason}")
            done, failed = done + job.done, failed + job.failed
            share_bytes += (part.end_bytes - start_bytes) * job.done / job.total
            start_bytes = part.end_bytes
        self._progress.show(done, failed, share_bytes / self._asked.size_bytes, self._note)

    def _found(self, job: Job) -> Job:
        found = self._desk.record.find(job.id)
        if found is None:
            raise JobFailed(f"job {job.id} was removed by somebody else")
        return found

    def _patiently(self, ask: Callable[[Asking], Answer], about: Asking) -> Answer:
        """Ask again for a while where the database or the broker is away."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return ask(about)
            except Unavailable as error:
                if time.monotonic() > deadline_s:
                    raise
                self._progress.show(
                    self.tally.done,
                    self.tally.failed,
                    self.tally.read_bytes / self._asked.size_bytes,
                    error.message,
                )
            self._check()
            time.sleep(_AGAIN_S)
