"""What the worker of jobs knows, as it writes it down for the other processes of its node.

These must not load the libraries of jobs for that, nor wait for a database or a broker.
"""

import time
from pathlib import Path

import msgspec

READY = "ready"
LOADING = "loading"
PARTS = ("worker", "database", "broker")
_STALE_S = 15.0


class Report(msgspec.Struct):
    """The jobs in the database, and what is away.

    ``at_s`` is a time of the monotonic clock, which all processes of a machine share; ``away`` are
    reasons by part. ``counts`` are of models and states; without them, nobody knows.
    """

    at_s: float
    pid: int
    away: dict[str, str]
    counts: list[tuple[str, str, int]] | None = None
    oldest_queued_s: float = 0.0


class Reports:
    """The reports in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._since_s = time.monotonic()

    def write(self, report: Report) -> None:
        """Write it, so that a reader finds the old or the new one whole."""
        new = self._path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(report))
        new.replace(self._path)

    def last(self) -> Report | None:
        """Return the last one, unless it is too old to be true."""
        try:
            report = msgspec.json.decode(self._path.read_bytes(), type=Report)
        except FileNotFoundError:
            return None
        return report if time.monotonic() - report.at_s < _STALE_S else None

    def states(self) -> dict[str, str]:
        """Return for each part that it is ready, or why it is not; what nobody knows is missing."""
        if report := self.last():
            return {part: report.away.get(part, READY) for part in PARTS}
        starts = time.monotonic() - self._since_s < _STALE_S
        return {"worker": LOADING if starts else "the job worker does not run"}
