"""Clients that call a model over connections that they keep, as real ones do.

A request is made once: one whose connection breaks is lost, and never tried again.
"""

import asyncio
import itertools
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType

import aiohttp
from aiohttp import AddrInfoType

from tests.load.figures import REFUSED, Figures, Loss

MOST_CONNECTIONS = 1000
PAUSE_S = 0.05  # after a loss, so that a client does not spin where nobody listens


@dataclass(frozen=True)
class Target:
    """What is called: the URL of a model, with these JSON bodies in turn."""

    url: str
    bodies: list[bytes]
    timeout_s: float = 30.0


class Client:
    """One connection at a time, kept for as long as the service keeps it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._socket: socket.socket | None = None
        self._port = 0
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=1, keepalive_timeout=3600, socket_factory=self._open
            ),
            timeout=aiohttp.ClientTimeout(total=target.timeout_s),
            headers={"Content-Type": "application/json"},
        )

    def _open(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        return self._socket

    @property
    def port(self) -> int:
        """This end of the newest connection."""
        with suppress(OSError):
            if self._socket is not None:
                self._port = self._socket.getsockname()[1]
        return self._port

    async def call(self, body: bytes, figures: Figures, asked_s: float | None = None) -> bool:
        """Make a request, and count what becomes of it; False: it is lost."""
        asked_s = time.monotonic() if asked_s is None else asked_s
        try:
            # aiohttp tries a POST once, on whatever connection (client.py, IDEMPOTENT_METHODS).
            async with self._session.post(self._target.url, data=body) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            figures.losses.append(Loss(_why(error), self.port))
            return False
        figures.answer(response.status, asked_s)
        return True

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self._session.close()


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorError):
        refused = isinstance(error.os_error, ConnectionError)
        return REFUSED if refused else f"not connected: {os.strerror(error.errno or 0)}"
    return "reset" if isinstance(error, OSError) else "disconnected"


@dataclass
class Load:
    """Clients at work: ``figures`` grow until ``leaving`` is set."""

    target: Target
    figures: Figures = field(default_factory=Figures)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    clients: list[Client] = field(default_factory=list)

    def leave(self) -> None:
        """Make no more requests."""
        self.figures.ended_s = self.figures.ended_s or time.monotonic()
        self.leaving.set()

    def ports(self) -> set[int]:
        """Return the clients' ends of the connections."""
        return {client.port for client in self.clients}

    async def in_turn(self, clients: int) -> None:
        """Let each of the clients call again as soon as it has its answer (closed loop)."""
        bodies = itertools.cycle(self.target.bodies)
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._call_again_and_again(bodies))

    async def _call_again_and_again(self, bodies: Iterator[bytes]) -> None:
        async with self._client() as client:
            while not self.leaving.is_set():
                if not await client.call(next(bodies), self.figures):
                    await asyncio.sleep(PAUSE_S)

    async def at_rate(self, rate: float) -> None:
        """Send at fixed times, whatever becomes of the answers (open loop).

        There are as many connections as are needed at a time. A latency counts from the time at
        which the request was to be sent.
        """
        start_s = time.monotonic()
        bodies = itertools.cycle(self.target.bodies)
        idle: list[Client] = []
        room = asyncio.Semaphore(MOST_CONNECTIONS)
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                due_s = start_s + number / rate
                if await self._is_over_by(due_s):
                    break
                group.create_task(self._call_once(idle, room, next(bodies), due_s))
        for client in idle:
            await client.__aexit__(None, None, None)

    async def _is_over_by(self, due_s: float) -> bool:
        """Wait until a time or the end, whichever comes first."""
        if (left_s := due_s - time.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self.leaving.wait()
        return self.leaving.is_set()

    async def _call_once(
        self, idle: list[Client], room: asyncio.Semaphore, body: bytes, due_s: float
    ) -> None:
        async with room:
            client = idle.pop() if idle else Client(self.target)
            try:
                await client.call(body, self.figures, due_s)
            finally:
                idle.append(client)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        async with Client(self.target) as client:
            self.clients.append(client)
            yield client


@asynccontextmanager
async def calling(load: Load, clients: int = 0, rate: float = 0.0) -> AsyncIterator[Load]:
    """Call a model until the end of the block, by so many clients in turn or at a rate.

    Then requests under way are waited for; a block that ends by an exception gives them up.
    """
    load.figures.started_s = time.monotonic()
    task = asyncio.create_task(load.at_rate(rate) if rate else load.in_turn(clients))
    try:
        yield load
        load.leave()
        await task
    finally:
        load.leave()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
