"""What the supervisor knows, as it writes it down for the other processes."""

import time
from pathlib import Path
from typing import Literal

import msgspec

State = Literal["loading", "ready", "failed"]


class ReplicaStatus(msgspec.Struct):
    """One place among a model's replicas, and the process that fills it.

    ``born`` is the process's start in clock ticks since boot, as process ids are used again;
    ``since`` is a time of the clock on the wall, in seconds.
    """

    index: int
    state: State = "loading"
    pid: int = 0
    born: int = 0
    since: float = msgspec.field(default_factory=time.time)
    restarts: int = 0
    last_error: str | None = None


class GenerationStatus(msgspec.Struct):
    """The replicas of one version, by model; ``error`` says why there is no list of models."""

    number: int
    models: dict[str, list[ReplicaStatus]] = {}
    error: str | None = None


class ReloadStatus(msgspec.Struct):
    """The last reload: the how manieth, whether it goes on, and why it was refused if it was."""

    number: int = 0
    is_running: bool = False
    error: str | None = None


class CompanionStatus(msgspec.Struct):
    """The program beside the replicas."""

    pid: int = 0
    restarts: int = 0


class Status(msgspec.Struct):
    """All of it."""

    current: int
    generations: list[GenerationStatus] = []
    reload: ReloadStatus = msgspec.field(default_factory=ReloadStatus)
    companion: CompanionStatus = msgspec.field(default_factory=CompanionStatus)

    def generation(self, number: int) -> GenerationStatus:
        """Return what is known of a generation."""
        known = (status for status in self.generations if status.number == number)
        return next(known, GenerationStatus(number))


def read_status(path: Path) -> Status | None:
    """Return what the supervisor wrote last; None: nothing yet."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Status)
    except FileNotFoundError:
        return None


def write_status(path: Path, status: Status) -> None:
    """Write it, so that a reader finds the old or the new one whole."""
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(status))
    new.replace(path)
