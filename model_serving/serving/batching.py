"""The questions that wait in a replica, and how they become batches."""

import time
from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from model_serving.figures import Figures
from model_serving.serving.pace import Pace
from model_serving.serving.wire import Answer, Cancel, Outcome, Priority, Question, encode


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


def is_foreground(waiting: Waiting) -> bool:
    """Say whether a synchronous caller asked it."""
    return waiting.question.priority is Priority.FOREGROUND


class Queue:
    """The questions that wait for one model: by their priority, and the oldest first.

    Those of the background have the room in a batch that ``pace`` gives them.
    """

    def __init__(self, max_batch_size: int, figures: Figures) -> None:
        self._figures = figures
        self._max_batch_size = max_batch_size
        self.pace = Pace(max_batch_size)
        self._lines: tuple[deque[Waiting], ...] = tuple(deque() for _ in Priority)
        self._foreground = self._lines[Priority.FOREGROUND]

    def __len__(self) -> int:
        return sum(map(len, self._lines))

    @property
    def has_foreground(self) -> bool:
        """Whether a synchronous caller waits."""
        return bool(self._foreground)

    @property
    def has_background(self) -> bool:
        """Whether a question of a job waits."""
        return any(self._lines[1:])

    @property
    def is_full(self) -> bool:
        """Whether waiting is of no use for the next batch; the background just takes more turns."""
        waiting = self._foreground
        if not waiting:
            return any(self._lines)
        return len(waiting) >= self._max_batch_size or waiting[0].question.alone

    def put(self, question: Question, caller: Caller) -> None:
        """Add a question."""
        self._lines[question.priority].append(Waiting(question, caller))

    def cancel(self, cancel: Cancel, caller: Caller) -> None:
        """Note that a caller does not wait for one of its answers any more."""
        for waiting in chain.from_iterable(self._lines):
            if waiting.question.id == cancel.id and waiting.caller is caller:
                waiting.is_cancelled = True
                break

    def take(self, *, owes_background: bool = False) -> list[Waiting]:
        """Take the next batch, up to the maximum or one alone; drop what nobody waits for.

        The foreground stands first in it, and is left out where it ``owes_background`` a batch.
        """
        batch: list[Waiting] = []
        owes_background = owes_background and self.has_background
        if not owes_background:
            self._fill(batch, self._foreground, self._max_batch_size)
        if owes_background or (any(self._lines) and not self._foreground):
            most = self.pace.size(len(batch))
            for line in self._lines[1:]:
                self._fill(batch, line, most)
        return batch

    def put_back(self, failed: list[Waiting]) -> None:
        """Have those of a background batch that failed predicted one by one, between others."""
        self.pace.start_again()
        for waiting in reversed(failed):
            waiting.question.alone = True
            self._lines[waiting.question.priority].appendleft(waiting)

    def _fill(self, batch: list[Waiting], line: deque[Waiting], most: int) -> None:
        now_s = time.monotonic()
        while line and len(batch) < most:
            if batch and (line[0].question.alone or batch[0].question.alone):
                break
            waiting = line.popleft()
            if self._is_wanted(waiting, now_s):
                batch.append(waiting)

    def _is_wanted(self, waiting: Waiting, now_s: float) -> bool:
        if waiting.question.deadline_s <= now_s:
            self._figures.drop("deadline passed")
            waiting.caller.send(encode(Answer(waiting.question.id, Outcome.EXPIRED)))
            return False
        if waiting.is_cancelled or not waiting.caller.is_open:
            self._figures.drop("caller left")
            return False
        return True
