"""The caller's connection while its answer is made, which tells whether it has left."""

import asyncio
import select
import socket
from contextlib import suppress

PROBE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def until_gone(connection: socket.socket, may_probe: bool) -> None:
    """Wait, on the running loop, until the caller's connection has ended.

    What a caller sends meanwhile is left for the server. One of HTTP/1.0 understands no provisional
    answer, so that the end of its sending counts as its leaving.
    """
    await _until(connection.fileno(), select.EPOLLRDHUP)  # Whatever is there to be read.
    if may_probe:
        with suppress(OSError):
            connection.send(PROBE, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            await until_broken(connection.fileno())


async def until_broken(descriptor: int) -> None:
    """Wait until a connection whose caller sends no more, and was probed, turns out to be broken.

    It may be closed, or just half-closed, with the caller still waiting for the answer: one end of
    TCP does not see which. A provisional answer (RFC 9110, section 15.2) shows it, as nobody takes
    it any more at a closed end.
    """
    await _until(descriptor, 0)  # EPOLLERR and EPOLLHUP are always told.


async def _until(descriptor: int, events: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    with select.epoll() as connections:
        connections.register(descriptor, events)
        loop.add_reader(connections.fileno(), ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(connections.fileno())
