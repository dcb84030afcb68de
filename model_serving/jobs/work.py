"""The work on a chunk: its instances go through the runtime, their answers into the record."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, wait
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import msgspec

from model_serving.errors import (
    ModelFailed,
    ModelNotReady,
    RecordFailed,
    ServiceError,
    StorageFull,
    Unavailable,
)
from model_serving.jobs.answers import answer_line, failure_line
from model_serving.jobs.chunk import Chunk, Line, parse
from model_serving.jobs.claims import Claim, Claims
from model_serving.jobs.job import LineError
from model_serving.serving.wire import Priority

_HEARTBEATS = 6  # within the time after which a worker counts as dead
_NOT_READY_S = 5.0  # How long jobs of a model wait that was not, while others go on.
_AGAIN_S = 1.0  # For a database that is away, a disk that is full.
_TROUBLE = (RecordFailed, StorageFull)  # It may go by, and what was done is worth to wait for it.
_log = logging.getLogger("jobs")


class Scorer(Protocol):
    """What scores the instances of a model."""

    def accepts_property(self, name: str, value: Any) -> bool:
        """Say whether the schema of a property accepts a value."""

    def checked(self, body: Any) -> Any:
        """Return the body as ``score`` takes it, or raise a ``ServiceError``."""

    def score(self, body: Any, priority: Priority) -> Awaitable[Any]:
        """Return the response, or raise a ``ServiceError``."""


class Work:
    """Does chunks, one at a time for each thread."""

    def __init__(
        self,
        claims: Claims,
        scorers: Mapping[str, Scorer],
        window: Callable[[str], int],
        loop: asyncio.AbstractEventLoop,
        stale_s: float,
    ) -> None:
        """Score on ``loop``; ``window`` says how many instances of a model may be in flight."""
        self._claims = claims
        self._scorers = scorers
        self._window = window
        self._loop = loop
        self._beat_s = stale_s / _HEARTBEATS
        self._not_before_s: dict[str, float] = {}  # of models that were not ready
        self._stop: Future[None] = Future()

    def stop(self) -> None:
        """Give back what is being done, and what is begun from now on."""
        with suppress(InvalidStateError):  # A signal may come twice.
            self._stop.set_result(None)

    @property
    def models(self) -> list[str]:
        """Those whose jobs can be done now."""
        now_s = time.monotonic()
        return [name for name in self._scorers if self._not_before_s.get(name, 0.0) <= now_s]

    def claim(self, worker: str) -> Claim | None:
        """Take a chunk of the job whose turn it is; wait for a database that is away."""
        while not self._stop.done():
            try:
                return self._claims.claim_next(worker, self.models)
            except _TROUBLE as error:
                _log.warning("cannot begin on a job: %s", error)
                wait([self._stop], _AGAIN_S)
        return None

    def do(self, claim: Claim) -> None:
        """Do a chunk to its end, or give it back; what nobody wants any more is dropped."""
        model = claim.job.model
        scoring = asyncio.run_coroutine_threadsafe(self._score(claim), self._loop)
        while not scoring.done():
            either: list[Future[Any]] = [scoring, self._stop]
            wait(either, self._beat_s, FIRST_COMPLETED)
            if self._stop.done():
                scoring.cancel()
                return self._give_back(claim)
            if not scoring.done() and not self._is_wanted(claim):
                scoring.cancel()
                return None
        try:
            answers = scoring.result()
        except ModelNotReady as error:  # Others may have it; jobs of other models go on.
            if model not in self._not_before_s:
                _log.warning("job %s waits: %s", claim.job.id, error)
            self._not_before_s[model] = time.monotonic() + _NOT_READY_S
            return self._give_back(claim)
        self._not_before_s.pop(model, None)
        errors, output = list[LineError](), list[bytes]()
        for number, answer in answers:
            if isinstance(answer, ServiceError):
                errors.append(LineError(number, answer.message, answer.path))
                answer = failure_line(number, answer)
            output.append(answer)
        done = partial(self._claims.complete, claim, b"".join(output), len(errors), errors)
        return self._tell(claim, done)

    def _give_back(self, claim: Claim) -> None:
        self._tell(claim, partial(self._claims.release, claim))

    def _is_wanted(self, claim: Claim) -> bool:
        try:
            return self._claims.heartbeat(claim)
        except _TROUBLE:  # Whoever takes the chunk meanwhile does it twice, and hands in once.
            return True

    def _tell(self, claim: Claim, tell: Callable[[], object]) -> None:
        """Tell the record what came of a chunk, also where that is away for a while."""
        while True:
            try:
                tell()
            except _TROUBLE as error:
                _log.warning("cannot hand in a chunk of job %s: %s", claim.job.id, error)
            else:
                return
            wait([self._stop], _AGAIN_S)
            if self._stop.done():
                return

    async def _score(self, claim: Claim) -> list[tuple[int, bytes | ServiceError]]:
        """Return the number of each line, and its response as it is written, or its error.

        Raises:
            ModelNotReady: it cannot be loaded.
        """
        priority = Priority.HIGH if claim.job.priority else Priority.LOW
        scorer = self._scorers[claim.job.model]
        lines = _lines(claim, scorer)
        answers: list[Any] = [None] * len(lines)
        waiting = iter(enumerate(lines))

        async def lane() -> None:  # A task for each line would cost as much again.
            for at, line in waiting:
                answers[at] = await _response(line, claim, scorer, priority)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._window(claim.job.model), len(lines))):
                    group.create_task(lane())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None  # What ended one lane ends them all.
        return [(line.number, answer) for line, answer in zip(lines, answers, strict=True)]


async def _response(
    line: Line, claim: Claim, scorer: Scorer, priority: Priority
) -> bytes | ServiceError:
    if isinstance(line.body, ServiceError):
        return line.body
    is_checked = claim.job.format == "msgpack"
    while True:
        try:
            body = line.body if is_checked else scorer.checked(line.body)
            return _written(await scorer.score(body, priority))
        except ModelNotReady:
            raise
        except (Unavailable, StorageFull):  # The latter is for a file of the answer.
            await asyncio.sleep(_AGAIN_S)
        except ServiceError as error:
            if error.__cause__ is not None:
                _log.error("line %d of job %s", line.number, claim.job.id, exc_info=error)
            return error


def _lines(claim: Claim, scorer: Scorer) -> list[Line]:
    if claim.job.format == "msgpack":
        bodies = msgspec.msgpack.decode(claim.input)
        return [Line(number, body) for number, body in enumerate(bodies, claim.first_line)]
    chunk = Chunk(claim.first_line, claim.count, claim.input)
    return parse(chunk, claim.job.format, scorer.accepts_property)


def _written(response: Any) -> bytes:
    try:
        return answer_line(response)
    except TypeError as error:
        raise ModelFailed from error
