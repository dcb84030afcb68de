"""The client for an event loop: one connection to each replica carries all its questions."""

import asyncio
import itertools
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
    Question,
    ReplicaGone,
    encode,
)


class _Link(asyncio.Protocol):
    """A connection to a replica, with the questions that it has not answered yet.

    Frames that are ready together leave in one write.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._started: set[int] = set()
        self._reader: FrameReader[Answer] = FrameReader(Answer)
        self._unsent = bytearray()
        self._transport: asyncio.WriteTransport | None = None
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
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._write(question)
        self._waiting[question.id] = future
        try:
            return await future
        except asyncio.CancelledError:
            self._write(Cancel(question.id))
            raise
        finally:
            self._waiting.pop(question.id, None)
            self._started.discard(question.id)

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
            future = self._waiting.get(answer.id)
            if answer.outcome == Outcome.STARTED:
                self._started.add(answer.id)
            elif future is not None and not future.done():
                future.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait that their replica has gone."""
        self.is_open = False
        for number, future in self._waiting.items():
            if not future.done():
                future.set_exception(ReplicaGone(True, number in self._started))

    def close(self) -> None:
        """Hang up."""
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def _write(self, frame: Question | Cancel) -> None:
        data = encode(frame)
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent += data

    def _flush(self) -> None:
        if self._transport is not None:
            unsent, self._unsent = self._unsent, bytearray()
            self._transport.write(unsent)


class MultiplexingClient:
    """Asks the replicas of one model, from any number of tasks of one event loop."""

    def __init__(self, name: str, registry: Registry) -> None:
        """Use the running loop."""
        self._name = name
        self._registry = registry
        self._links: dict[str, _Link] = {}
        self._refused: set[str] = set()
        self._numbers = itertools.count()
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        registry.listen(lambda: self._loop.call_soon_threadsafe(self._note_change))

    async def ask(self, instance: Any, deadline_s: float) -> Answer:
        """Return the answer to one instance, or raise, as ``ThreadClient.ask`` does.

        A task that is cancelled takes its question back.
        """
        question = Question(next(self._numbers), 0.0, deadline_s, False, instance)
        try:
            async with asyncio.timeout(deadline_s - time.monotonic()):
                while True:
                    try:
                        link = await self._link()
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

    async def _link(self) -> _Link:
        """Return the replica with the fewest in flight from here; wait for one to come."""
        while True:
            changed = self._changed
            listing = self._registry.listing(self._name)
            for path in self._links.keys() - listing.sockets:
                self._links.pop(path).close()
            self._refused &= listing.sockets
            usable = listing.sockets - self._refused
            if usable:
                return min(map(self._linked, usable), key=lambda link: link.in_flight)
            if listing.failure is not None:
                raise ModelNotReady(f"{self._name} is not ready")
            await changed.wait()

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
        link.opening = self._loop.create_task(
            self._loop.create_connection(lambda: link, sock=connection)
        )
        return link

    def _note_change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
