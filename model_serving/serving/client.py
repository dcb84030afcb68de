"""The client: one connection to each replica carries all questions of a process.

It lives on an event loop. Frames that are ready together leave in one write, or in a few.
"""

import asyncio
import itertools
import math
import socket
import time
from typing import Any, cast

from model_serving import metrics
from model_serving.errors import DeadlineExceeded, ModelFailed, ModelNotReady, Overloaded
from model_serving.serving.registry import Registry
from model_serving.serving.wire import (
    Answer,
    Cancel,
    FrameReader,
    Outcome,
    Priority,
    Question,
    ReplicaGone,
    encode,
)

_WATCH_S = 0.02  # How late a deadline may be noticed.
# Where more are ready together, the replica begins with these while the others are still prepared.
_MOST_UNSENT = 16


class _Link(asyncio.Protocol):
    """A connection to a replica, with the questions that it has not answered yet."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[asyncio.Future[Answer], float]] = {}
        self._is_watching = False
        self._started: set[int] = set()
        self._reader: FrameReader[Answer] = FrameReader(Answer)
        self._unsent = bytearray()
        self._unsent_frames = 0
        self._transport: asyncio.WriteTransport | None = None
        self._loop = asyncio.get_running_loop()
        self.is_open = True
        self.opening: asyncio.Task[Any] | None = None  # The loop keeps but weak references.

    @property
    def in_flight(self) -> int:
        """How many questions wait here."""
        return len(self._waiting)

    async def ask(self, question: Question) -> Answer:
        """Send a question, and return its answer; a cancelled one is called back.

        Raises:
            ReplicaGone: the connection broke before the answer came.
        """
        if not self.is_open:
            raise ReplicaGone(was_asked=False)
        self._write(question)
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting[question.id] = future, question.deadline_s
        if not self._is_watching:
            self._watch()
        try:
            return await future
        except (asyncio.CancelledError, TimeoutError):
            self._write(Cancel(question.id))
            raise
        finally:
            del self._waiting[question.id]
            self._started.discard(question.id)

    def _watch(self) -> None:
        """Look after the deadlines while anybody waits; a timer for each would cost too much."""
        now_s = time.monotonic()
        for future, deadline_s in self._waiting.values():
            if deadline_s <= now_s and not future.done():
                future.set_exception(TimeoutError())
        self._is_watching = bool(self._waiting)
        if self._is_watching:
            self._loop.call_later(_WATCH_S, self._watch)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what has been asked meanwhile."""
        self._transport = cast(asyncio.WriteTransport, transport)
        if self.is_open:
            self._flush()
        else:
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Hand the answers to those who asked."""
        for answer in self._reader.feed(data):
            waiting = self._waiting.get(answer.id)
            if answer.outcome == Outcome.STARTED:
                self._started.add(answer.id)
            elif waiting is not None and not waiting[0].done():
                waiting[0].set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait that their replica has gone."""
        self.is_open = False
        for number, (future, _) in self._waiting.items():
            if not future.done():
                future.set_exception(ReplicaGone(True, number in self._started))

    def close(self) -> None:
        """Hang up."""
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def _write(self, frame: Question | Cancel) -> None:
        data = encode(frame)
        if self._unsent:
            self._unsent += data
        else:
            self._loop.call_soon(self._flush)
            self._unsent = data
        self._unsent_frames += 1
        if self._unsent_frames >= _MOST_UNSENT:
            self._flush()

    def _flush(self) -> None:
        if self._transport is not None and self.is_open and self._unsent:
            unsent, self._unsent, self._unsent_frames = self._unsent, bytearray(), 0
            self._transport.write(unsent)


class Client:
    """Asks the replicas of one model, from any number of tasks of one event loop."""

    def __init__(self, name: str, registry: Registry) -> None:
        """Use the running loop."""
        self._name = name
        self._registry = registry
        self._links: dict[str, _Link] = {}
        self._refused: set[str] = set()
        self._numbers = itertools.count()
        self._loop = asyncio.get_running_loop()

    async def ask(
        self, instance: Any, deadline_s: float, priority: Priority = Priority.FOREGROUND
    ) -> Answer:
        """Return the answer to one instance; a task that is cancelled takes its question back.

        A question whose replica dies is asked again, alone. Only one that was alone with a replica
        when that died is given up. ``deadline_s`` is when to give up, by ``time.monotonic``; it may
        be infinite.

        Raises:
            DeadlineExceeded, ModelNotReady, Overloaded: there is no answer.
            ModelFailed: the instance killed a replica on its own.
        """
        question = Question(next(self._numbers), 0.0, deadline_s, False, instance, priority)
        try:
            while True:
                try:
                    link = self._link() or await self._coming_link(deadline_s)
                    question.sent_s = time.monotonic()
                    return await link.ask(question)
                except ReplicaGone as gone:
                    if gone.was_predicting:
                        raise ModelFailed from RuntimeError("the instance killed its replica")
                    if gone.was_asked:
                        metrics.RETRIED.labels(self._name).inc()
                        question.alone = True
        except TimeoutError:
            raise DeadlineExceeded(f"{self._name} did not answer in time") from None

    def close(self) -> None:
        """Hang up."""
        for link in self._links.values():
            link.close()

    def _link(self) -> _Link | None:
        """Return the replica with the fewest in flight from here, if there is any."""
        listing = self._registry.listing(self._name)
        for path in self._links.keys() - listing.sockets:
            self._links.pop(path).close()
        self._refused &= listing.sockets
        usable = listing.sockets - self._refused
        if usable:
            return min(map(self._linked, usable), key=lambda link: link.in_flight)
        if listing.failure is not None:
            raise ModelNotReady(f"{self._name} is not ready")
        return None

    async def _coming_link(self, deadline_s: float) -> _Link:
        left_s = deadline_s - time.monotonic()
        async with asyncio.timeout(left_s if left_s < math.inf else None):
            while True:
                await self._registry.change()
                if link := self._link():
                    return link

    def _linked(self, path: str) -> _Link:
        link = self._links.get(path)
        if link is None or not link.is_open:
            link = self._links[path] = self._connect(path)
        return link

    def _connect(self, path: str) -> _Link:
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        try:
            connection.connect(path)  # To a Unix socket it is done at once, or not at all.
        except BlockingIOError:
            connection.close()
            raise Overloaded(f"{self._name} has too many requests in flight") from None
        except OSError:  # The replica has died, and its socket is still listed.
            connection.close()
            self._refused.add(path)
            raise ReplicaGone(was_asked=False) from None
        link = _Link()
        # Not create_connection: where the replica dies at once, uvloop closes the descriptor twice,
        # the second time as that of somebody else (its issue 738 is a part of this).
        link.opening = self._loop.create_task(
            self._loop.connect_accepted_socket(lambda: link, connection)
        )
        return link
