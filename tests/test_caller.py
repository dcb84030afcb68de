"""What a caller's connection tells, over real TCP."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from model_serving.caller import PROBE, until_gone
from tests.loops import PATIENCE_S, in_loop


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return the server's end of a connection, and the caller's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        caller = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    server.setblocking(False)
    caller.settimeout(PATIENCE_S)
    with server, caller:
        yield server, caller


def descriptors() -> int:
    """Return how many files and connections this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


Ends = tuple[socket.socket, socket.socket]


@in_loop
async def test_caller_that_closes_its_connection_is_gone(ends: Ends) -> None:
    server, caller = ends
    gone = asyncio.ensure_future(until_gone(server, may_probe=True))
    await asyncio.sleep(0)
    assert not gone.done()
    caller.close()
    await gone


@in_loop
async def test_caller_that_resets_its_connection_is_gone(ends: Ends) -> None:
    server, caller = ends
    gone = asyncio.ensure_future(until_gone(server, may_probe=True))
    await asyncio.sleep(0)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    caller.close()
    await gone


@in_loop
async def test_caller_that_had_left_before_is_gone(ends: Ends) -> None:
    server, caller = ends
    caller.close()
    await until_gone(server, may_probe=True)


@in_loop
async def test_caller_that_only_sends_no_more_still_waits(ends: Ends) -> None:
    server, caller = ends
    caller.shutdown(socket.SHUT_WR)
    gone = asyncio.ensure_future(until_gone(server, may_probe=True))
    assert await asyncio.to_thread(caller.recv, 100) == PROBE
    await asyncio.sleep(0.05)
    assert not gone.done()
    server.sendall(b"the answer")
    assert await asyncio.to_thread(caller.recv, 100) == b"the answer"
    caller.close()
    with suppress(OSError):
        server.send(b"more")  # The closed end says so when something comes.
    await gone


@in_loop
async def test_caller_that_sends_its_next_request_stays_and_keeps_it(ends: Ends) -> None:
    server, caller = ends
    gone = asyncio.ensure_future(until_gone(server, may_probe=True))
    caller.sendall(b"the next request")
    await asyncio.sleep(0.05)
    assert not gone.done()
    assert server.recv(100) == b"the next request"
    caller.close()
    await gone


@pytest.mark.parametrize("sends", [b"", b"the next request"], ids=["nothing", "more"])
@in_loop
async def test_nobody_looks_at_a_connection_after_the_answer(ends: Ends, sends: bytes) -> None:
    server, caller = ends
    before = descriptors()
    gone = asyncio.ensure_future(until_gone(server, may_probe=True))
    await asyncio.sleep(0)
    caller.sendall(sends)
    gone.cancel()
    await asyncio.wait([gone])
    assert gone.cancelled()
    assert descriptors() == before
