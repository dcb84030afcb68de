"""The questions that wait in a replica, and how they become batches."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from model_serving.figures import Figures
from model_serving.serving.wire import Answer, Cancel, Outcome, Question, encode


class Caller(Protocol):
    """Where a question came from."""

    @property
    def is_open(self) -> bool:
        """Whether an answer still reaches the caller."""

    def send(self, data: bytes | bytearray) -> None:
        """Send frames to the caller."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A question, and who asked it."""

    question: Question
    caller: Caller
    is_cancelled: bool = False


class Queue:
    """The questions that wait for one model, oldest first."""

    def __init__(self, max_batch_size: int, figures: Figures) -> None:
        self._figures = figures
        self._max_batch_size = max_batch_size
        self._waiting: deque[Waiting] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether the next batch cannot grow any more."""
        return len(self._waiting) >= self._max_batch_size or (
            bool(self._waiting) and self._waiting[0].question.alone
        )

    def put(self, question: Question, caller: Caller) -> None:
        """Add a question."""
        self._waiting.append(Waiting(question, caller))

    def cancel(self, cancel: Cancel, caller: Caller) -> None:
        """Note that a caller does not wait for one of its answers any more."""
        for waiting in self._waiting:
            if waiting.caller is caller and waiting.question.id == cancel.id:
                waiting.is_cancelled = True

    def take(self) -> list[Waiting]:
        """Take the next batch, up to the maximum or one alone; drop what nobody waits for."""
        batch: list[Waiting] = []
        now_s = time.monotonic()
        while self._waiting and len(batch) < self._max_batch_size:
            if batch and self._waiting[0].question.alone:
                break
            waiting = self._waiting.popleft()
            if self._is_wanted(waiting, now_s):
                batch.append(waiting)
                if waiting.question.alone:
                    break
        return batch

    def _is_wanted(self, waiting: Waiting, now_s: float) -> bool:
        if waiting.question.deadline_s <= now_s:
            self._figures.drop("deadline passed")
            waiting.caller.send(encode(Answer(waiting.question.id, Outcome.EXPIRED)))
            return False
        if waiting.is_cancelled or not waiting.caller.is_open:
            self._figures.drop("caller left")
            return False
        return True
