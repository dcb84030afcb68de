"""MultiplexingClient against real replicas in a generation's folder."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from model_serving import metrics
from model_serving.errors import DeadlineExceeded, ModelFailed, ModelNotReady
from model_serving.serving.multiplexing_client import MultiplexingClient
from model_serving.serving.registry import FAILURE_NAME, Registry
from model_serving.serving.run_dir import GenerationDir
from model_serving.serving.wire import Answer, Outcome
from tests.serving.replicas import Gate, RunningReplica

NAME = "ObedientModel"
PATIENCE_S = 60.0
Test = Callable[[MultiplexingClient], Coroutine[Any, Any, None]]
Run = Callable[[Test], None]
Serve = Callable[[int], RunningReplica]


@pytest.fixture
def run(folder: Path) -> Iterator[Callable[[Test], None]]:
    """Return a function that runs a test in a loop, with a client."""
    registry = Registry(GenerationDir(folder), [NAME])

    async def in_loop(test: Test) -> None:
        client = MultiplexingClient(NAME, registry)
        await asyncio.wait_for(test(client), PATIENCE_S)
        for link in client._links.values():
            link.close()
        await asyncio.sleep(0)

    yield lambda test: asyncio.run(in_loop(test))
    registry._listeners.clear()  # Their loop has ended.


async def ask(client: MultiplexingClient, *instance: Any, in_s: float = PATIENCE_S) -> Answer:
    return await client.ask(list(instance), time.monotonic() + in_s)


@asynccontextmanager
async def closed(client: MultiplexingClient, gate: Gate) -> AsyncIterator[asyncio.Task[Answer]]:
    """Keep a replica in ``predict`` while the block lasts."""
    task = asyncio.create_task(ask(client, *gate.instance))
    await asyncio.to_thread(gate.wait)
    try:
        yield task
    finally:
        gate.open()


async def listed(client: MultiplexingClient, count: int) -> None:
    while len(client._registry.listing(NAME).sockets) != count:
        await client._changed.wait()


def test_client_gives_each_task_the_answer_to_its_question(run: Run, serve: Serve) -> None:
    serve(0), serve(1)

    async def test(client: MultiplexingClient) -> None:
        tasks = [ask(client, "refuse", str(number)) for number in range(3000)]
        answers = await asyncio.gather(*tasks)
        assert [answer.value for answer in answers] == [str(number) for number in range(3000)]
        assert len(client._links) <= 2

    run(test)


def test_client_takes_answers_in_any_order(run: Run, serve: Serve, gate: Gate) -> None:
    serve(0)

    async def test(client: MultiplexingClient) -> None:
        async with closed(client, gate) as held:
            late = asyncio.create_task(ask(client, "batch", "late", in_s=0.05))
            last = asyncio.create_task(ask(client, "batch", "last"))
            with pytest.raises(DeadlineExceeded):
                await late
        assert (await last).value == ["last"]
        assert (await held).outcome == Outcome.PREDICTED

    run(test)


def test_client_calls_back_what_is_cancelled(run: Run, serve: Serve, gate: Gate) -> None:
    serve(0)

    async def test(client: MultiplexingClient) -> None:
        async with closed(client, gate):
            tasks = [asyncio.create_task(ask(client, "batch", name)) for name in "abc"]
            await asyncio.sleep(0)
            tasks[1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await tasks[1]
        assert [(await tasks[at]).value for at in (0, 2)] == [["a", "c"]] * 2
        assert all(link.in_flight == 0 for link in client._links.values())

    run(test)


def test_client_asks_the_successor_of_a_killed_replica(run: Run, serve: Serve, gate: Gate) -> None:
    first, retried = serve(0), metrics.RETRIED.labels(NAME)._value

    async def test(client: MultiplexingClient) -> None:
        before = retried.get()
        async with closed(client, gate) as held:
            waiting = [asyncio.create_task(ask(client, "refuse", str(at))) for at in range(10)]
            await asyncio.sleep(0)
            first.signal(signal.SIGKILL)
            first.ended()
        first.path.unlink()
        await asyncio.to_thread(serve, 0)
        await asyncio.to_thread(gate.wait)
        gate.open()
        assert [(await task).value for task in waiting] == [str(at) for at in range(10)]
        assert (await held).outcome == Outcome.PREDICTED
        assert retried.get() == before + 11

    run(test)


def test_client_asks_another_replica_while_a_dead_one_is_still_listed(
    run: Run, serve: Serve
) -> None:
    first, second = serve(0), serve(1)

    async def test(client: MultiplexingClient) -> None:
        first.signal(signal.SIGKILL)
        first.ended()
        pids = {(await ask(client, "pid", "")).value for _ in range(20)}
        assert pids == {second.process.pid}
        assert first.path.exists()

    run(test)


def test_client_gives_up_what_has_killed_two_replicas(run: Run, serve: Serve) -> None:
    serve(0), serve(1)

    async def test(client: MultiplexingClient) -> None:
        with pytest.raises(ModelFailed):
            await ask(client, "die", "")

    run(test)


def test_client_loses_none_of_those_that_were_with_a_killing_one(
    run: Run, serve: Serve, gate: Gate
) -> None:
    async def test(client: MultiplexingClient) -> None:
        replicas = [await asyncio.to_thread(serve, 0)]
        async with closed(client, gate):
            bad = asyncio.create_task(ask(client, "die", ""))
            good = [asyncio.create_task(ask(client, "refuse", str(at))) for at in range(6)]
            await asyncio.sleep(0)
        for _ in range(2):
            await asyncio.to_thread(replicas[-1].ended)
            replicas[-1].path.unlink()
            replicas.append(await asyncio.to_thread(serve, 0))
        with pytest.raises(ModelFailed):
            await bad
        assert [(await task).value for task in good] == [str(at) for at in range(6)]

    run(test)


@pytest.mark.parametrize("in_s", [-1.0, 0.0, 0.05], ids=str)
def test_client_waits_for_a_replica_until_the_deadline(run: Run, in_s: float) -> None:
    async def test(client: MultiplexingClient) -> None:
        with pytest.raises(DeadlineExceeded, match="ObedientModel did not answer in time"):
            await ask(client, "batch", "a", in_s=in_s)

    run(test)


def test_client_waits_for_the_first_replica(run: Run, serve: Serve) -> None:
    async def test(client: MultiplexingClient) -> None:
        tasks = [asyncio.create_task(ask(client, "refuse", "a")) for _ in range(3)]
        await asyncio.to_thread(serve, 0)
        assert {answer.value for answer in await asyncio.gather(*tasks)} == {"a"}

    run(test)


def test_client_says_at_once_that_a_model_has_failed(run: Run, sockets: Path) -> None:
    async def test(client: MultiplexingClient) -> None:
        task = asyncio.create_task(ask(client, "batch", "a"))
        await asyncio.sleep(0)
        (sockets / FAILURE_NAME).write_text("no weights")
        with pytest.raises(ModelNotReady, match="ObedientModel is not ready"):
            await task

    run(test)


def test_client_picks_the_replica_with_the_fewest_in_flight(
    run: Run, serve: Serve, gate: Gate
) -> None:
    serve(0), serve(1)

    async def test(client: MultiplexingClient) -> None:
        await listed(client, 2)
        async with closed(client, gate):
            idle = {(await ask(client, "pid", "")).value for _ in range(10)}
        assert len(idle) == 1

    run(test)


def test_client_fails_where_the_instance_cannot_be_sent(run: Run, serve: Serve) -> None:
    serve(0)

    async def test(client: MultiplexingClient) -> None:
        with pytest.raises(TypeError):
            await ask(client, "batch", object())
        assert (await ask(client, "batch", "a")).value == ["a"]

    run(test)


def test_client_sends_and_receives_large_data(run: Run, serve: Serve) -> None:
    serve(0)

    async def test(client: MultiplexingClient) -> None:
        images = [str(number) * 3_000_000 for number in range(4)]
        answers = await asyncio.gather(*(ask(client, "refuse", image) for image in images))
        assert [answer.value for answer in answers] == images

    run(test)
