"""How many requests may be in flight, and what those above that are told."""

import asyncio
import math
import time
from collections.abc import Mapping

from model_serving import metrics
from model_serving.errors import Overloaded

_WEIGHT = 0.1  # of the newest latency in the average
_TELL_S = 0.1  # How old the metric of the depth may be; setting it each time would cost too much.


class Share:
    """One model's part: how many of its requests are in flight, of how many."""

    def __init__(self, name: str, limit: int, threads: "Threads") -> None:
        self._name = name
        self._limit = limit
        self._threads = threads
        self._in_flight = 0
        self._held_threads = 0
        self._latency_s = 0.0
        self._shed = metrics.SHED.labels(name)
        self._depth = metrics.IN_FLIGHT.labels(name)
        self._is_telling = False
        self._depth.set(0)  # Whoever had this place before may have been killed.

    def enter(self, in_thread: bool = False) -> float:
        """Count one more request, which may hold a thread; return the time, for ``leave``.

        Raises:
            Overloaded: there are too many already.
        """
        if self._in_flight >= self._limit or (
            in_thread and self._held_threads >= self._threads.free
        ):
            self._shed.inc()
            # By Little's law, the latency is the time in which the queue drains.
            retry_after_s = max(1, math.ceil(self._latency_s))
            raise Overloaded(f"{self._name} has too many requests in flight", retry_after_s)
        self._count(1, in_thread)
        return time.monotonic()

    def leave(self, entered_s: float, in_thread: bool = False) -> None:
        """Count one less."""
        self._count(-1, in_thread)
        self._latency_s += _WEIGHT * (time.monotonic() - entered_s - self._latency_s)

    def _count(self, change: int, in_thread: bool) -> None:
        self._in_flight += change
        if not self._is_telling:
            self._is_telling = True
            asyncio.get_running_loop().call_later(_TELL_S, self._tell)
        if in_thread:
            self._held_threads += change
            self._threads.free -= change

    def _tell(self) -> None:
        self._is_telling = False
        self._depth.set(self._in_flight)


class Threads:
    """The threads that answer requests, shared by all models."""

    def __init__(self, number: int) -> None:
        self.free = number - (1 if number > 1 else 0)  # One is for the health checks.


def shares(limits: Mapping[str, int], threads: int) -> dict[str, Share]:
    """Bound the requests in flight from this process, for each model and for all together.

    Each HTTP worker has its share of a model's ``max_queue``. And a model never holds more than
    half of the threads that the others leave free, so that a slow model stops neither the others
    nor the health checks. All of it belongs to one event loop, and needs no lock.
    """
    shared = Threads(threads)
    return {name: Share(name, limit, shared) for name, limit in limits.items()}
