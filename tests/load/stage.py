"""The stage of a scenario: a service, clients that call it all the while, and what was lost."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.load.client import Load, Target, calling
from tests.load.figures import OK, REFUSED, UNAVAILABLE, Figures, Loss
from tests.load.service import Service


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    clients: int
    kills: int
    reloads: int
    hold_s: float  # how long calls go on between two faults
    overload_s: float


@dataclass
class Stage:
    """One scenario's part of a service, and what becomes of the requests meanwhile."""

    service: Service
    target: Target
    plan: Plan
    steps: int
    done: int = 0
    started_s: float = field(default_factory=time.monotonic)
    stepped_s: float = 0.0
    figures: list[Figures] = field(default_factory=list)
    # What may happen to requests: to find nobody who listens, to be lost on these connections (by
    # the clients' ends), or to be lost at all.
    may_be_refused: bool = False
    may_be_lost: bool = False
    excused_ports: set[int] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def step(self) -> None:
        """Note that one more of the steps is done."""
        self.done += 1
        self.stepped_s = time.monotonic() - self.started_s

    def left_s(self, guess_s: float) -> float:
        """Tell how long the rest may take, by the steps so far; ``guess_s`` is for the first."""
        step_s = self.stepped_s / self.done if self.done else guess_s
        return step_s * self.steps - (time.monotonic() - self.started_s)

    @asynccontextmanager
    async def calls(
        self, target: Target | None = None, clients: int = 0, rate: float = 0.0
    ) -> AsyncIterator[Load]:
        """Have a model called until the end of the block, by default as planned."""
        load = Load(target or self.target)
        self.figures.append(load.figures)
        async with calling(load, clients or self.plan.clients, rate):
            yield load

    def requests(self) -> int:
        """Return how many requests have ended."""
        return sum(figures.requests for figures in self.figures)

    def result(self, name: str) -> "Result":
        """Sum up."""
        statuses = sum((figures.statuses for figures in self.figures), Counter[int]())
        losses = [loss for figures in self.figures for loss in figures.losses]
        lost = [loss for loss in losses if not (self.may_be_refused and loss.why == REFUSED)]
        wrong = {code: n for code, n in statuses.items() if code not in (OK, UNAVAILABLE)}
        excess = len(lost) - self._excused(lost) + sum(wrong.values())
        reasons = Counter(loss.why for loss in lost) + Counter(
            {f"x {c}": n for c, n in wrong.items()}
        )
        remarks = [", ".join(f"{count} {why}" for why, count in reasons.items())] if reasons else []
        return Result(
            name=name,
            requests=statuses.total() + len(lost),
            answered=statuses[OK],
            refused=statuses[UNAVAILABLE],
            lost=len(lost) + sum(wrong.values()),
            worst_ms=max((figures.worst_s for figures in self.figures), default=0.0) * 1000,
            remarks=[*self.faults, *remarks, *self.remarks],
            is_passed=not excess and not self.faults,
        )

    def _excused(self, lost: list[Loss]) -> int:
        """Count the losses that are allowed: all, or one for each of some connections."""
        return len(lost if self.may_be_lost else self.excused_ports & {loss.port for loss in lost})


@dataclass(frozen=True)
class Result:
    """A line of the table."""

    name: str
    requests: int
    answered: int
    refused: int
    lost: int
    worst_ms: float
    remarks: list[str]
    is_passed: bool


@dataclass(frozen=True)
class Scenario:
    """What is done to a service; ``steps`` are counted, and each takes about ``guess_s``."""

    name: str
    play: Callable[[Stage], Awaitable[None]]
    steps: Callable[[Plan], int]
    guess_s: float
    own_only: bool = False
