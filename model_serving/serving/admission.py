"""How many requests may be in flight, and what those above that are told."""

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from model_serving import metrics
from model_serving.errors import Overloaded

_WEIGHT = 0.1  # of the newest latency in the average


@dataclass
class _Share:
    limit: int
    in_flight: int = 0
    latency_s: float = 0.0


class Admission:
    """Bounds the requests in flight from this process, for each model and for all together.

    Each HTTP worker has its share of a model's ``max_queue``. And a model never holds more than
    half of the threads that the others leave free, so that a slow model stops neither the others
    nor the health checks.
    """

    def __init__(self, limits: Mapping[str, int], threads: int | None = None) -> None:
        """Allow so many requests for each model; ``threads`` are those that answer requests."""
        self._shares = {name: _Share(limit) for name, limit in limits.items()}
        self._threads = math.inf if threads is None else threads
        self._in_flight = 0
        self._lock = threading.Lock()
        for name in limits:
            metrics.IN_FLIGHT.labels(name).set(0)

    @contextmanager
    def admit(self, name: str) -> Iterator[None]:
        """Count one request of a model while the block lasts.

        Raises:
            Overloaded: there are too many already.
        """
        share = self._shares[name]
        with self._lock:
            free = self._threads - self._in_flight
            if share.in_flight >= share.limit or share.in_flight >= free:
                metrics.SHED.labels(name).inc()
                # By Little's law, the latency is the time in which the queue drains.
                raise Overloaded(
                    f"{name} has too many requests in flight", max(1, math.ceil(share.latency_s))
                )
            self._count(name, share, 1)
        started_s = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._count(name, share, -1)
                share.latency_s += _WEIGHT * (time.monotonic() - started_s - share.latency_s)

    def _count(self, name: str, share: _Share, change: int) -> None:
        share.in_flight += change
        self._in_flight += change
        metrics.IN_FLIGHT.labels(name).set(share.in_flight)
