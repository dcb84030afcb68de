"""Requests to a service, many at a time: each caller is a thread with a connection of its own."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.services.processes import PATIENCE_S


@dataclass(frozen=True)
class Call:
    """A question to a model."""

    model: str
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """The answer: ``taken_s`` after the question, at the end of a connection from ``port``."""

    status: int
    body: Any
    headers: Mapping[str, str]
    taken_s: float
    port: int


class Caller:
    """A connection that is kept from one call to the next."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
        self._prefix = parts.path
        self._sent_s = 0.0

    def ask(self, call: Call) -> Reply:
        """Send a question, and return its answer.

        Raises:
            OSError, http.client.HTTPException: there is none.
        """
        self.send(call)
        return self.answer()

    def answer(self) -> Reply:
        """Return the answer to the question that was sent; raises as ``ask`` does."""
        port = self._connection.sock.getsockname()[1]
        response = self._connection.getresponse()
        body = json.loads(response.read())
        headers = dict(response.getheaders())
        return Reply(response.status, body, headers, time.monotonic() - self._sent_s, port)

    def send(self, call: Call) -> None:
        """Send a question alone."""
        self._sent_s = time.monotonic()
        headers = {"Content-Type": "application/json"} | dict(call.headers)
        self._connection.request(
            "POST", f"{self._prefix}/v1/{call.model}", json.dumps(call.body), headers
        )

    def leave(self) -> None:
        """Close the connection, whatever is under way."""
        self._connection.close()

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


def ask(url: str, call: Call) -> Reply:
    """Ask over a connection for this one call."""
    with Caller(url) as caller:
        return caller.ask(call)


def ask_over(url: str, calls: Sequence[Call], connections: int) -> list[Reply]:
    """Ask over so many connections, each as soon as it is free; return the replies in order."""
    with _Pool(url, connections) as pool:
        return [future.result() for future in [pool.ask(call) for call in calls]]


def ask_at_rate(url: str, calls: Sequence[Call], per_s: float, connections: int) -> list[Reply]:
    """Ask at these times, whether the service is ready for more or not."""
    started_s = time.monotonic()
    with _Pool(url, connections) as pool:
        futures = []
        for number, call in enumerate(calls):
            time.sleep(max(0.0, started_s + number / per_s - time.monotonic()))
            futures.append(pool.ask(call))
        return [future.result() for future in futures]


def ask_for(url: str, call: Call, duration_s: float, connections: int) -> list[Reply]:
    """Ask the same over and over; return what was answered in that time."""
    end_s = time.monotonic() + duration_s

    def repeat() -> Iterator[Reply]:
        with Caller(url) as caller:
            while time.monotonic() < end_s:
                yield caller.ask(call)

    with ThreadPoolExecutor(connections) as pool:
        found = pool.map(lambda _: list(repeat()), range(connections))
        return [reply for replies in found for reply in replies]


class _Pool:
    """Threads, each with a connection."""

    def __init__(self, url: str, connections: int) -> None:
        self._local = threading.local()
        self._callers: list[Caller] = []
        self._url = url
        self._threads = ThreadPoolExecutor(connections, initializer=self._connect)

    def _connect(self) -> None:
        self._local.caller = Caller(self._url)
        self._callers.append(self._local.caller)

    def ask(self, call: Call) -> Future[Reply]:
        return self._threads.submit(lambda: self._local.caller.ask(call))

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for caller in self._callers:
            caller.leave()
