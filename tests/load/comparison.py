"""Calls without jobs and with them, in short phases that take turns.

So what else the machine does hits both alike. A figure is the median of those of the phases, for
one that was disturbed says nothing.
"""

import asyncio
import math
import time
from dataclasses import dataclass, field
from statistics import median

from tests.load.background import Background
from tests.load.client import Load, Target, calling
from tests.load.figures import Figures

CONNECTIONS = 8


def call(target: Target, duration_s: float, rate: float = 0.0) -> Figures:
    """Call a model at a rate, or by connections that call again at once.

    What is refused, as after a moment in which the machine stood still, counts as never answered.
    """

    async def calls() -> Figures:
        async with calling(Load(target), CONNECTIONS, rate) as load:
            await asyncio.sleep(duration_s)
        return load.figures

    figures = asyncio.run(calls())
    figures.latencies_s.extend([math.inf] * (figures.requests - len(figures.latencies_s)))
    return figures


@dataclass
class Comparison:
    """The p50 and p99 of each phase in ms, without jobs and with them."""

    background: Background
    target: Target
    phase_s: float
    rate: float  # of the calls, or 0
    without_ms: list[list[float]] = field(default_factory=list)
    with_ms: list[list[float]] = field(default_factory=list)
    job_rates: list[float] = field(default_factory=list)  # instances per second

    def go_on(self) -> None:
        """Measure once without and once with jobs; neither is always the first."""
        both = (self._call_alone, self._call_beside)
        for phase in both if len(self.with_ms) % 2 else reversed(both):
            phase()

    def percentiles_ms(self) -> tuple[float, float, float, float]:
        """Return p50 without and with jobs, and p99 without and with them."""
        sides = (self.without_ms, self.with_ms)
        p50, p99 = ([median(phase[at] for phase in side) for side in sides] for at in (0, 1))
        return p50[0], p50[1], p99[0], p99[1]

    @property
    def ratio(self) -> float:
        """How many times the p99 without jobs that with jobs is."""
        *_, without_ms, with_ms = self.percentiles_ms()
        return with_ms / without_ms

    def _call_alone(self) -> None:
        figures = call(self.target, self.phase_s, self.rate)
        self.without_ms.append(figures.percentiles_ms(0.5, 0.99))

    def _call_beside(self) -> None:
        with self.background.working():
            before, began_s = self.background.predicted(), time.monotonic()
            figures = call(self.target, self.phase_s, self.rate)
            done = self.background.predicted() - before
            duration_s = time.monotonic() - began_s
        is_same = self.target.url.endswith(f"/{self.background.model}")
        self.job_rates.append((done - is_same * figures.requests) / duration_s)
        self.with_ms.append(figures.percentiles_ms(0.5, 0.99))
