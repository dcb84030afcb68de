"""The client for threads: each uses a connection of its own, one frame at a time."""

import select
import socket
import threading
import time

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
from model_serving.serving.wire import Answer, FrameReader, Outcome, Question, encode


class ReplicaGone(Exception):
    """The connection broke before the answer came."""

    def __init__(self, was_predicting: bool = False) -> None:
        self.was_predicting = was_predicting
        super().__init__()


class _Link:
    """A replica as seen from here: how much it has to do for us, and connections to use again."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.in_flight = 0
        self.idle: list[socket.socket] = []

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

    def ask(self, instance: object, deadline_s: float, caller: int | None = None) -> Answer:
        """Return the answer to one instance.

        A question whose replica dies is asked again, alone. Only one that was alone with a replica
        when that died is given up.

        ``deadline_s`` is when to give up, by ``time.monotonic``; ``caller`` the descriptor of the
        caller's connection, to notice that it leaves.

        Raises:
            CallerLeft, DeadlineExceeded, ModelNotReady, Overloaded: there is no answer.
            ModelFailed: the instance killed a replica on its own.
        """
        alone = False
        while True:
            link = self._take_link(deadline_s)
            question = Question(0, time.monotonic(), deadline_s, alone, instance)
            try:
                return self._exchange(link, question, caller)
            except ReplicaGone as gone:
                if gone.was_predicting:
                    raise ModelFailed from RuntimeError("an instance killed two replicas")
                metrics.RETRIED.labels(self._name).inc()
                alone = True
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
                raise DeadlineExceeded(f"{self._name} has no replica to answer in time")

    def _exchange(self, link: _Link, question: Question, caller: int | None) -> Answer:
        frame = encode(question)
        connection = self._connection(link)
        try:
            connection.settimeout(max(0.001, question.deadline_s - time.monotonic()))
            connection.sendall(frame)
            answer = self._answer(connection, question.deadline_s, caller)
        except TimeoutError:
            connection.close()
            raise DeadlineExceeded(f"{self._name} did not answer in time") from None
        except OSError:
            connection.close()
            raise ReplicaGone from None
        except BaseException:
            # The replica drops what a closed connection has asked.
            connection.close()
            raise
        link.idle.append(connection)
        return answer

    def _connection(self, link: _Link) -> socket.socket:
        try:
            return link.idle.pop()
        except IndexError:
            connection = socket.socket(socket.AF_UNIX)
        try:
            connection.setblocking(False)
            connection.connect(link.path)
        except BlockingIOError:  # So many wait to be accepted that the kernel takes no more.
            connection.close()
            raise Overloaded(f"{self._name} has too many requests in flight") from None
        except OSError:  # The replica has died, and its socket is still listed.
            connection.close()
            self._refused.add(link.path)
            raise ReplicaGone from None
        return connection

    def _answer(self, connection: socket.socket, deadline_s: float, caller: int | None) -> Answer:
        poller = select.poll()
        poller.register(connection, select.POLLIN)
        if caller is not None:
            poller.register(caller, select.POLLRDHUP)
        reader: FrameReader[Answer] = FrameReader(Answer)
        was_predicting = False
        while True:
            events = poller.poll(max(0.0, deadline_s - time.monotonic()) * 1000)
            if not events:
                raise TimeoutError
            if all(descriptor == caller for descriptor, _ in events):
                raise CallerLeft
            try:
                data = connection.recv(READ_BYTES)
            except OSError:
                data = b""
            if not data:
                raise ReplicaGone(was_predicting)
            for answer in reader.feed(data):
                if answer.outcome != Outcome.STARTED:
                    return answer
                was_predicting = True
