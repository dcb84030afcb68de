"""What became of the requests: counted while they are made, and summed up at the end."""

import time
from array import array
from collections import Counter
from dataclasses import dataclass, field

OK, UNAVAILABLE = 200, 503
REFUSED = "connection refused"  # Nobody listens, so the service never had the request.


@dataclass(frozen=True)
class Loss:
    """A request without an HTTP answer; ``port`` is the client's end of its connection."""

    why: str
    port: int


@dataclass
class Figures:
    """The requests of some clients; times are those of ``time.monotonic``."""

    started_s: float = field(default_factory=time.monotonic)
    ended_s: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    losses: list[Loss] = field(default_factory=list)
    worst_s: float = 0.0  # of all answers
    # Of the answers 200, each: when it came, and how long that took.
    came_s: "array[float]" = field(default_factory=lambda: array("d"))
    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))

    def answer(self, status: int, asked_s: float) -> None:
        """Count an answer that has come just now."""
        now_s = time.monotonic()
        self.statuses[status] += 1
        self.worst_s = max(self.worst_s, now_s - asked_s)
        if status == OK:
            self.came_s.append(now_s)
            self.latencies_s.append(now_s - asked_s)

    @property
    def requests(self) -> int:
        """How many have ended, one way or another."""
        return self.statuses.total() + len(self.losses)

    @property
    def duration_s(self) -> float:
        """How long it has taken, or takes so far."""
        return (self.ended_s or time.monotonic()) - self.started_s

    def rate(self, from_s: float = 0.0, until_s: float | None = None) -> float:
        """Return the answers 200 per second in a part of the time, in seconds from its start."""
        until_s = self.duration_s if until_s is None else until_s
        first_s, last_s = self.started_s + from_s, self.started_s + until_s
        return sum(first_s <= came_s < last_s for came_s in self.came_s) / (until_s - from_s)

    def percentiles_ms(self, *shares: float) -> list[float]:
        """Return the latencies in ms below which these shares of the answers 200 are."""
        ordered = sorted(self.latencies_s)
        if not ordered:
            return [float("nan")] * len(shares)
        return [
            ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000 for share in shares
        ]

    def reasons(self) -> str:
        """Say how often a request was lost for which reason."""
        counted = Counter(loss.why for loss in self.losses)
        return ", ".join(f"{count} {why}" for why, count in counted.most_common())


def report(figures: Figures) -> str:
    """Return the figures as text for people."""
    p50, p90, p99, worst = figures.percentiles_ms(0.5, 0.9, 0.99, 1.0)
    statuses = ", ".join(
        f"{count} x {status}" for status, count in sorted(figures.statuses.items())
    )
    lost = f"{len(figures.losses)}" + (f" ({figures.reasons()})" if figures.losses else "")
    return "\n".join(
        [
            f"requests    {figures.requests} in {figures.duration_s:.1f} s",
            f"throughput  {figures.rate():.1f} answers (200) per second",
            f"latency     p50 {p50:.1f}, p90 {p90:.1f}, p99 {p99:.1f}, max {worst:.1f} ms (of 200)",
            f"status      {statuses or 'none'}",
            f"lost        {lost}",
        ]
    )
