"""The client for threads: each uses a connection of its own, one frame at a time."""

import select
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from model_serving import metrics
from model_serving.errors import (
    CallerLeft,
    DeadlineExceeded,
    ModelFailed,
    ModelNotReady,
    Overloaded,
)
from model_serving.serving.connection import READ_BYTES
from model_serving.serving.registry import Registry
from model_serving.serving.wire import Answer, FrameReader, Outcome, Question, ReplicaGone, encode


class _Connection:
    """A connection to a replica, for one thread at a time."""

    def __init__(self, path: str) -> None:
        """Connect.

        Raises:
            BlockingIOError: so many wait to be accepted that the kernel takes no more.
            OSError: the replica has ended.
        """
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.setblocking(False)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._poll = select.poll()
        self._reader: FrameReader[Answer] = FrameReader(Answer)

    def exchange(self, question: Question, caller: int | None) -> Answer:
        """Send a question, and return its answer.

        Raises:
            CallerLeft, TimeoutError: there is no answer; the connection is of no use any more.
            ReplicaGone: the same, because the replica has ended.
        """
        was_predicting = False
        if caller is not None:
            self._poll.register(caller, select.POLLRDHUP)
        try:
            self._send(encode(question), question.deadline_s, caller)
            while True:
                self._wait(select.POLLIN, question.deadline_s, caller)
                data = self._socket.recv(READ_BYTES)
                if not data:
                    raise ReplicaGone(True, was_predicting)
                for answer in self._reader.feed(data):
                    if answer.outcome != Outcome.STARTED:
                        return answer
                    was_predicting = True
        except ConnectionError:
            raise ReplicaGone(True, was_predicting) from None
        finally:
            if caller is not None:
                self._poll.unregister(caller)

    def _send(self, data: bytearray, deadline_s: float, caller: int | None) -> None:
        unsent = memoryview(data)
        while True:
            with suppress(BlockingIOError):
                unsent = unsent[self._socket.send(unsent) :]
            if not unsent:
                return
            self._wait(select.POLLOUT, deadline_s, caller)

    def _wait(self, event: int, deadline_s: float, caller: int | None) -> None:
        self._poll.register(self._socket, event)
        events = self._poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000)
        if not events:
            raise TimeoutError
        if len(events) == 1 and events[0][0] == caller:
            raise CallerLeft

    def close(self) -> None:
        """Hang up; the replica drops what it was asked here."""
        self._socket.close()


class _Link:
    """A replica as seen from here: how much it has to do for us, and connections to use again."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.in_flight = 0
        self.idle: list[_Connection] = []

    def close(self) -> None:
        while self.idle:
            self.idle.pop().close()


class ThreadClient:
    """Asks the replicas of one model, from any number of threads."""

    def __init__(self, name: str, registry: Registry) -> None:
        self._name = name
        self._registry = registry
        self._lock = threading.Lock()
        self._links: dict[str, _Link] = {}
        self._refused: set[str] = set()

    def ask(self, instance: Any, deadline_s: float, caller: int | None = None) -> Answer:
        """Return the answer to one instance.

        A question whose replica dies is asked again, alone. Only one that was alone with a replica
        when that died is given up.

        ``deadline_s`` is when to give up, by ``time.monotonic``; ``caller`` the descriptor of the
        caller's connection, to notice that it leaves.

        Raises:
            CallerLeft, DeadlineExceeded, ModelNotReady, Overloaded: there is no answer.
            ModelFailed: the instance killed a replica on its own.
        """
        question = Question(0, 0.0, deadline_s, False, instance)
        while True:
            link = self._take_link(deadline_s)
            try:
                question.sent_s = time.monotonic()
                return self._exchange(link, question, caller)
            except ReplicaGone as gone:
                if gone.was_predicting:
                    raise ModelFailed from RuntimeError("the instance killed its replica twice")
                if gone.was_asked:
                    metrics.RETRIED.labels(self._name).inc()
                    question.alone = True
            finally:
                with self._lock:
                    link.in_flight -= 1

    def _take_link(self, deadline_s: float) -> _Link:
        """Return the replica with the fewest in flight from here; wait for one to come."""
        while True:
            listing = self._registry.listing(self._name)
            with self._lock:
                for path in self._links.keys() - listing.sockets:
                    self._links.pop(path).close()
                self._refused &= listing.sockets
                usable = listing.sockets - self._refused
                links = [self._links.setdefault(path, _Link(path)) for path in usable]
                if links:
                    link = min(links, key=lambda link: link.in_flight)
                    link.in_flight += 1
                    return link
            if listing.failure is not None:
                raise ModelNotReady(f"{self._name} is not ready")
            if not self._registry.wait_for_change(self._name, listing, deadline_s):
                raise DeadlineExceeded(f"{self._name} has no replica that could answer in time")

    def _exchange(self, link: _Link, question: Question, caller: int | None) -> Answer:
        try:
            connection = link.idle.pop()
        except IndexError:
            connection = self._connect(link)
        try:
            answer = connection.exchange(question, caller)
        except TimeoutError:
            connection.close()
            raise DeadlineExceeded(f"{self._name} did not answer in time") from None
        except BaseException:
            connection.close()
            raise
        link.idle.append(connection)
        if link.path not in self._links:  # It has gone meanwhile.
            link.close()
        return answer

    def _connect(self, link: _Link) -> _Connection:
        try:
            return _Connection(link.path)
        except BlockingIOError:
            raise Overloaded(f"{self._name} has too many requests in flight") from None
        except OSError:  # The replica has died, and its socket is still listed.
            self._refused.add(link.path)
            raise ReplicaGone(was_asked=False) from None
