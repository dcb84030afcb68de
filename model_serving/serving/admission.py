"""How many requests may be in flight, and what those above that are told."""

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from model_serving import metrics
from model_serving.errors import Overloaded

_WEIGHT = 0.1  # of the newest latency in the average


class _Share:
    """One model's part: how many of its requests are in flight, of how many."""

    def __init__(self, name: str, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        self.latency_s = 0.0
        self.shed = metrics.SHED.labels(name)
        self.depth = metrics.IN_FLIGHT.labels(name)
        self.depth.set(0)  # Whoever had this place before may have been killed.


class Admission:
    """Bounds the requests in flight from this process, for each model and for all together.

    Each HTTP worker has its share of a model's ``max_queue``. And a model never holds more than
    half of the threads that the others leave free, so that a slow model stops neither the others
    nor the health checks.
    """

    def __init__(self, limits: Mapping[str, int], threads: int | None = None) -> None:
        """Allow so many requests for each model; ``threads`` are those that answer requests."""
        self._shares = {name: _Share(name, limit) for name, limit in limits.items()}
        self._threads = math.inf if threads is None else threads
        self._reserved = 1 if self._threads > 1 else 0  # For the health checks, and to refuse.
        self._in_flight = 0
        self._lock = threading.Lock()

    @contextmanager
    def admit(self, name: str) -> Iterator[None]:
        """Count one request of a model while the block lasts.

        Raises:
            Overloaded: there are too many already.
        """
        share = self._shares[name]
        with self._lock:
            free = self._threads - self._in_flight - self._reserved
            if share.in_flight >= share.limit or share.in_flight >= free:
                share.shed.inc()
                # By Little's law, the latency is the time in which the queue drains.
                raise Overloaded(
                    f"{name} has too many requests in flight", max(1, math.ceil(share.latency_s))
                )
            self._count(share, 1)
        started_s = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._count(share, -1)
                share.latency_s += _WEIGHT * (time.monotonic() - started_s - share.latency_s)

    def _count(self, share: _Share, change: int) -> None:
        share.in_flight += change
        self._in_flight += change
        share.depth.set(share.in_flight)
