"""Client against real replicas in a generation's folder."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from model_serving.errors import DeadlineExceeded, ModelNotReady
from model_serving.serving.run_dir import FAILURE_NAME, RunDir
from model_serving.serving.wire import Outcome
from tests.loops import in_loop
from tests.serving.clients import ask, asking, closed, connected, listed
from tests.serving.replicas import Gate, RunningReplica

Serve = Callable[[int], RunningReplica]


@in_loop
async def test_client_gives_each_task_the_answer_to_its_question(
    run_dir: RunDir, serve: Serve
) -> None:
    serve(0), serve(1)
    async with connected(run_dir) as client:
        tasks = [ask(client, "refuse", str(number)) for number in range(3000)]
        answers = await asyncio.gather(*tasks)
        assert [answer.value for answer in answers] == [str(number) for number in range(3000)]
        assert {answer.outcome for answer in answers} == {Outcome.INVALID}
        assert len(client._links) == 2


@in_loop
async def test_client_takes_answers_in_any_order(run_dir: RunDir, serve: Serve, gate: Gate) -> None:
    serve(0)
    async with connected(run_dir) as client:
        async with closed(client, gate) as held:
            late, last = asking(client, "batch", "late", in_s=0.05), asking(client, "batch", "last")
            with pytest.raises(DeadlineExceeded, match="ObedientModel did not answer in time"):
                await late
        assert (await last).value == ["last"]
        assert (await held).outcome == Outcome.PREDICTED


@in_loop
async def test_client_calls_back_what_is_cancelled(
    run_dir: RunDir, serve: Serve, gate: Gate
) -> None:
    serve(0)
    async with connected(run_dir) as client:
        async with closed(client, gate):
            tasks = [asking(client, "batch", name) for name in "abc"]
            await asyncio.sleep(0)
            tasks[1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await tasks[1]
        assert [(await tasks[at]).value for at in (0, 2)] == [["a", "c"]] * 2
        assert [link.in_flight for link in client._links.values()] == [0]


@in_loop
async def test_client_takes_no_answer_that_comes_too_late_for_another(
    run_dir: RunDir, serve: Serve, gate: Gate
) -> None:
    serve(0)
    async with connected(run_dir) as client:
        async with closed(client, gate) as held:
            held.cancel()
            next_one = asking(client, "batch", "next")
        assert (await next_one).value == ["next"]
        assert held.cancelled()


@pytest.mark.parametrize("in_s", [-1.0, 0.0, 0.05], ids=str)
@in_loop
async def test_client_waits_for_a_replica_until_the_deadline(run_dir: RunDir, in_s: float) -> None:
    async with connected(run_dir) as client:
        with pytest.raises(DeadlineExceeded, match="ObedientModel did not answer in time"):
            await ask(client, "batch", "a", in_s=in_s)


@pytest.mark.parametrize("in_s", [-1.0, 0.0, 0.05], ids=str)
@in_loop
async def test_client_waits_for_a_busy_replica_until_the_deadline(
    run_dir: RunDir, serve: Serve, gate: Gate, in_s: float
) -> None:
    serve(0)
    async with connected(run_dir) as client:
        async with closed(client, gate):
            with pytest.raises(DeadlineExceeded, match="ObedientModel did not answer in time"):
                await ask(client, "batch", "a", in_s=in_s)
        assert (await ask(client, "batch", "b")).value == ["b"]


@in_loop
async def test_client_waits_for_the_first_replica(run_dir: RunDir, serve: Serve) -> None:
    async with connected(run_dir) as client:
        tasks = [asking(client, "refuse", "a") for _ in range(3)]
        await asyncio.to_thread(serve, 0)
        assert {answer.value for answer in await asyncio.gather(*tasks)} == {"a"}


@in_loop
async def test_client_says_at_once_that_a_model_has_failed(run_dir: RunDir, sockets: Path) -> None:
    async with connected(run_dir) as client:
        task = asking(client, "batch", "a")
        await asyncio.sleep(0)
        (sockets / FAILURE_NAME).write_text("no weights")
        with pytest.raises(ModelNotReady, match="ObedientModel is not ready"):
            await task


@in_loop
async def test_client_asks_the_replicas_that_serve_though_one_has_failed(
    run_dir: RunDir, serve: Serve, sockets: Path
) -> None:
    serve(0)
    (sockets / FAILURE_NAME).write_text("no memory")
    async with connected(run_dir) as client:
        assert (await ask(client, "batch", "a")).value == ["a"]


@in_loop
async def test_client_picks_the_replica_with_the_fewest_in_flight(
    run_dir: RunDir, serve: Serve, gate: Gate
) -> None:
    pids = {serve(0).process.pid, serve(1).process.pid}
    async with connected(run_dir) as client:
        await listed(client, 2)
        async with closed(client, gate):
            idle = {(await ask(client, "pid", "")).value for _ in range(10)}
        assert len(idle) == 1
        assert idle < pids


@in_loop
async def test_client_fails_where_the_instance_cannot_be_sent(
    run_dir: RunDir, serve: Serve
) -> None:
    serve(0)
    async with connected(run_dir) as client:
        with pytest.raises(TypeError):
            await ask(client, "batch", object())
        assert (await ask(client, "batch", "a")).value == ["a"]
        assert [link.in_flight for link in client._links.values()] == [0]


@in_loop
async def test_client_sends_and_receives_large_data(run_dir: RunDir, serve: Serve) -> None:
    serve(0)
    async with connected(run_dir) as client:
        images = [str(number) * 3_000_000 for number in range(4)]
        answers = await asyncio.gather(*(ask(client, "refuse", image) for image in images))
        assert [answer.value for answer in answers] == images
