"""What a replica counts, in a small file that whoever shows metrics reads.

prometheus_client, with which the HTTP workers count, would take a third of a small replica's
memory. ``replica_metrics`` turns these figures into its format.
"""

import mmap
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SUFFIX = ".figures"

Reason = Literal["deadline passed", "caller left"]
_REASONS: tuple[Reason, ...] = get_args(Reason)
_BYTES = 8  # a number's


class Histogram:
    """How many values were at most each bound and above the one before, and the sum of all."""

    def __init__(self, numbers: "memoryview[float]", bounds: Sequence[float]) -> None:
        """Count in ``numbers``: one for each bound, one for what is above, and the sum."""
        self._numbers = numbers
        self.bounds = bounds

    def observe(self, value: float) -> None:
        """Count a value."""
        self._numbers[bisect_left(self.bounds, value)] += 1
        self._numbers[-1] += value

    @property
    def counts(self) -> list[float]:
        """How many values there were up to each bound, and above the last."""
        return list(self._numbers[:-1])

    @property
    def sum(self) -> float:
        """The sum of all values."""
        return self._numbers[-1]


def shared_numbers(path: Path | None, count: int) -> "memoryview[float]":
    """Return so many numbers that all who open the file share, or numbers of one's own.

    The file is made where there is none; what is new in it is 0.
    """
    size_bytes = count * _BYTES
    if path is None:
        mapped = mmap.mmap(-1, size_bytes)
    else:
        with path.open("a+b") as file:
            file.truncate(size_bytes)
            mapped = mmap.mmap(file.fileno(), size_bytes)
    return memoryview(mapped).cast("d")


class Figures:
    """The figures of one replica; its successor at the same place goes on with them."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, which is made where there is none; without a path, keep them to itself."""
        seconds, sizes = len(SECONDS) + 2, len(SIZES) + 2
        numbers = shared_numbers(path, 2 * seconds + sizes + len(_REASONS))
        self.queue_wait = Histogram(numbers[:seconds], SECONDS)
        self.inference = Histogram(numbers[seconds : 2 * seconds], SECONDS)
        self.batch_size = Histogram(numbers[2 * seconds : 2 * seconds + sizes], SIZES)
        self._dropped = numbers[2 * seconds + sizes :]

    def drop(self, why: Reason) -> None:
        """Count an instance that is not predicted."""
        self._dropped[_REASONS.index(why)] += 1

    @property
    def dropped(self) -> dict[Reason, float]:
        """How many instances were not predicted, and why."""
        return dict(zip(_REASONS, self._dropped, strict=True))
