"""Client when replicas die, or take no more."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import uvloop

from model_serving import metrics
from model_serving.errors import ModelFailed, Overloaded
from model_serving.serving.run_dir import RunDir
from model_serving.serving.wire import Outcome
from tests.loops import PATIENCE_S, in_loop
from tests.serving.clients import NAME, ask, asking, closed, connected, listed
from tests.serving.replicas import Gate, RunningReplica

Serve = Callable[[int], RunningReplica]


def end(replica: RunningReplica) -> None:
    replica.signal(signal.SIGKILL)
    replica.ended()


@in_loop
async def test_client_asks_the_successor_of_a_killed_replica(
    run_dir: RunDir, serve: Serve, gate: Gate
) -> None:
    first, retried = serve(0), metrics.RETRIED.labels(NAME)._value
    async with connected(run_dir) as client:
        before = retried.get()
        async with closed(client, gate) as held:
            waiting = [asking(client, "refuse", str(at)) for at in range(10)]
            await asyncio.sleep(0)
            end(first)
        first.path.unlink()
        await asyncio.to_thread(serve, 0)
        await asyncio.to_thread(gate.wait)
        gate.open()
        assert [(await task).value for task in waiting] == [str(at) for at in range(10)]
        assert (await held).outcome == Outcome.PREDICTED
        assert retried.get() == before + 11


@in_loop
async def test_client_asks_another_replica_while_a_dead_one_is_still_listed(
    run_dir: RunDir, serve: Serve
) -> None:
    first, second = serve(0), serve(1)
    async with connected(run_dir) as client:
        end(first)
        pids = {(await ask(client, "pid", "")).value for _ in range(20)}
        assert pids == {second.process.pid}
        assert first.path.exists()


@in_loop
async def test_client_forgets_the_connection_to_a_dead_replica(
    run_dir: RunDir, serve: Serve
) -> None:
    first = serve(0)
    async with connected(run_dir) as client:
        assert (await ask(client, "pid", "")).value == first.process.pid
        end(first)
        first.path.unlink()
        second = await asyncio.to_thread(serve, 1)
        assert (await ask(client, "pid", "")).value == second.process.pid
        assert list(client._links) == [str(second.path)]


@in_loop
async def test_client_waits_for_the_successor_of_a_replica_that_only_seems_to_serve(
    run_dir: RunDir, serve: Serve
) -> None:
    first = serve(0)
    end(first)
    async with connected(run_dir) as client:
        answer = asking(client, "batch", "a")
        await asyncio.sleep(0)
        assert not answer.done()
        await asyncio.to_thread(serve, 1)
        assert (await answer).value == ["a"]


@in_loop
async def test_client_gives_up_what_has_killed_two_replicas(run_dir: RunDir, serve: Serve) -> None:
    serve(0), serve(1)
    async with connected(run_dir) as client:
        with pytest.raises(ModelFailed) as raised:
            await ask(client, "die", "")
        assert "killed its replica" in str(raised.value.__cause__)


@in_loop
async def test_client_asks_again_what_has_killed_one_replica(run_dir: RunDir, serve: Serve) -> None:
    serve(0), serve(1)
    async with connected(run_dir) as client:
        assert (
            await ask(client, "die once", str(run_dir.path / "mark"))
        ).outcome == Outcome.PREDICTED


@in_loop
async def test_client_loses_none_of_those_that_were_with_a_killing_one(
    run_dir: RunDir, serve: Serve, gate: Gate
) -> None:
    async with connected(run_dir) as client:
        replicas = [await asyncio.to_thread(serve, 0)]
        async with closed(client, gate):
            bad = asking(client, "die", "")
            good = [asking(client, "refuse", str(at)) for at in range(6)]
            await asyncio.sleep(0)
        for _ in range(2):
            await asyncio.to_thread(replicas[-1].ended)
            replicas[-1].path.unlink()
            replicas.append(await asyncio.to_thread(serve, 0))
        with pytest.raises(ModelFailed):
            await bad
        assert [(await task).value for task in good] == [str(at) for at in range(6)]


def test_connection_that_ends_at_once_takes_no_descriptor_of_another(
    run_dir: RunDir, sockets: Path
) -> None:
    path = str(sockets / "0.1")

    async def open_and_close() -> None:
        async with connected(run_dir) as client:
            link = client._connect(path)
            link.close()
            assert link.opening is not None
            await link.opening
            await asyncio.sleep(0.01)  # It closes in one of the loop's next rounds.
            del link
            # Some of them were the connection's a moment ago.
            others = [os.open("/", os.O_RDONLY) for _ in range(8)]
            gc.collect()
            for other in others:
                os.close(other)

    with socket.create_server(path, family=socket.AF_UNIX):
        uvloop.run(asyncio.wait_for(open_and_close(), PATIENCE_S))


@in_loop
async def test_client_refuses_where_a_replica_accepts_no_more_connections(
    run_dir: RunDir, sockets: Path
) -> None:
    path = str(sockets / "0.1")
    async with connected(run_dir) as client:
        with ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(path)
            listener.listen(0)
            waiting = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(9)]
            for connection in waiting:
                connection.setblocking(False)
                with suppress(BlockingIOError):  # The backlog is full.
                    connection.connect(path)
            await listed(client, 1)
            with pytest.raises(Overloaded, match="ObedientModel has too many requests in flight"):
                await ask(client, "batch", "a")
