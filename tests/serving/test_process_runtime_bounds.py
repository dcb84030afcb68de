"""ProcessRuntime: how much it lets in, and when."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from model_serving import metrics
from model_serving.errors import CallerLeft, ModelNotReady, Overloaded
from model_serving.serving import RunDir
from model_serving.serving.process_runtime import ProcessRuntime
from model_serving.serving.run_dir import FAILURE_NAME
from tests.loops import PATIENCE_S, in_loop
from tests.services.processes import wait_until
from tests.serving.replicas import RunningReplica
from tests.serving.runtimes import NAME, Door, asked, in_background, runtime_of, value_of

Serve = Callable[[int], RunningReplica]


@pytest.mark.parametrize(
    ("max_queue", "workers", "limit"), [(10, 3, 3), (2, 4, 1), (3, 1, 3)], ids=str
)
@in_loop
async def test_runtime_bounds_its_share_of_the_queue(
    run_dir: RunDir, max_queue: int, workers: int, limit: int
) -> None:
    runtime = runtime_of(run_dir, max_queue, workers)
    await runtime.open()
    tasks = [asyncio.create_task(runtime.ask(NAME, ["echo", at])) for at in range(limit)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="ObedientModel has too many requests in flight"):
        await runtime.ask(NAME, ["echo", "one more"])
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert runtime._shares[NAME]._in_flight == 0
    await runtime.close()


def test_runtime_lets_a_model_hold_half_of_the_threads(run_dir: RunDir) -> None:
    with in_background(run_dir, threads=8) as runtime, ThreadPoolExecutor(8) as pool:
        door, share = Door(runtime), runtime._shares[NAME]
        waiting = [asked(pool, runtime, "echo", at, leave=door) for at in range(4)]
        wait_until(lambda: share._in_flight == 4, "four wait for a replica")
        with pytest.raises(Overloaded) as raised:
            runtime.predict(NAME, ["echo", "one more"])
        assert raised.value.retry_after_s == 1
        task = asyncio.run_coroutine_threadsafe(runtime.ask(NAME, ["echo", ""]), runtime._loop)
        wait_until(lambda: share._in_flight == 5, "a task waits too")
        task.cancel()
        door.go()
        assert {type(answer.exception(PATIENCE_S)) for answer in waiting} == {CallerLeft}
        wait_until(lambda: share._in_flight == 0, "all have left")


def test_runtime_holds_its_bounds_among_many_threads(run_dir: RunDir, serve: Serve) -> None:
    serve(0)
    with in_background(run_dir, max_queue=5) as runtime, ThreadPoolExecutor(16) as pool:
        answers = [asked(pool, runtime, "echo", at) for at in range(2000)]
        errors = {type(answer.exception(PATIENCE_S)) for answer in answers}
        assert errors == {type(None), Overloaded}
        wait_until(lambda: runtime._shares[NAME]._in_flight == 0, "all places are given back")
        wait_until(lambda: value_of(metrics.IN_FLIGHT) == 0, "it is told")


def test_runtime_says_whether_a_model_is_ready(
    runtime: ProcessRuntime, run_dir: RunDir, serve: Serve
) -> None:
    assert {state.state for state in runtime.states().values()} == {"loading"}
    serve(0)
    failure = run_dir.generation(1).sockets("BrokenModel") / FAILURE_NAME
    failure.write_text("no weights")
    wait_until(lambda: runtime.states()[NAME].ready, "the replica is seen")
    wait_until(lambda: runtime.states()["BrokenModel"].reason == "no weights", "so is the failure")
    with pytest.raises(ModelNotReady, match="BrokenModel is not ready"):
        runtime.predict("BrokenModel", 1)


def test_runtime_that_is_not_open_yet_is_loading(run_dir: RunDir) -> None:
    runtime = runtime_of(run_dir)
    assert {name: state.state for name, state in runtime.states().items()} == {
        NAME: "loading",
        "BrokenModel": "loading",
    }
    os.close(runtime._usage)
