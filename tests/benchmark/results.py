"""What was measured, as it is kept in results.json."""

from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec

CLOSED = "as many as it answers"


class Run(msgspec.Struct):
    """One peer under one load; an open loop has no processor time, memory and start-up."""

    peer: str
    workload: str
    round: int
    load: str
    requests_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_ms: float | None = None
    memory_mib: float | None = None
    start_s: float | None = None


class Failure(msgspec.Struct):
    """Why there is no run of a peer; without a workload, of none."""

    peer: str
    reason: str
    workload: str = ""

    def told(self) -> str:
        """Return the reason, and with which workload it was."""
        return f"{self.workload}: {self.reason}" if self.workload else self.reason


class Results(msgspec.Struct):
    """A whole benchmark: where and how it was done, and what it brought."""

    machine: str
    date: str
    command: str
    peers: dict[str, str]  # the name of each, and what it is made of
    workloads: dict[str, str]  # the name of each, and how it is called
    runs: list[Run] = msgspec.field(default_factory=list)
    failures: list[Failure] = msgspec.field(default_factory=list)
    is_whole: bool = False  # not ended early
    rates: dict[str, float] = msgspec.field(default_factory=dict)  # of the slowest peer

    def of(self, peer: str, workload: str, load: str = CLOSED) -> list[Run]:
        """Return a peer's runs, by round."""
        return [
            run for run in self.runs if (run.peer, run.workload, run.load) == (peer, workload, load)
        ]

    def middle(self, peer: str, workload: str, figure: Callable[[Run], float | None]) -> float:
        """Return the median of a figure; 0 where it was not measured."""
        found = [figure(run) for run in self.of(peer, workload)]
        return median([value for value in found if value is not None] or [0.0])

    def failure(self, peer: str, workload: str) -> str:
        """Say why a peer has no figures for a workload; nothing if it has."""
        reasons = [
            failure.reason
            for failure in self.failures
            if failure.peer == peer and failure.workload in ("", workload)
        ]
        return reasons[-1] if reasons else ""


def write(results: Results, path: Path) -> None:
    """Keep them in a file."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))


def read(path: Path) -> Results:
    """Take them from a file again.

    Raises:
        msgspec.ValidationError: it holds something else.
    """
    return msgspec.json.decode(path.read_bytes(), type=Results)
