"""ProcessRuntime, asked by threads and by tasks, with real replicas."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, ContextVar
from pathlib import Path

import pytest

from model_serving import metrics
from model_serving.errors import (
    BadRequest,
    CallerLeft,
    DeadlineExceeded,
    ModelFailed,
    ServiceError,
)
from model_serving.serving import RunDir
from model_serving.serving.process_runtime import ProcessRuntime, _prediction_of
from model_serving.serving.wire import Answer, Outcome
from tests.loops import PATIENCE_S, in_loop, until
from tests.services.processes import wait_until
from tests.serving.replicas import Gate, RunningReplica
from tests.serving.runtimes import NAME, Door, asked, runtime_of, value_of

Serve = Callable[[int], RunningReplica]


def test_runtime_gives_each_thread_the_prediction_for_its_instance(
    runtime: ProcessRuntime, serve: Serve
) -> None:
    serve(0), serve(1)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda at: runtime.predict(NAME, ["echo", at]), range(2000)))
    assert answers == list(range(2000))


def test_runtime_serves_threads_and_tasks_at_once(runtime: ProcessRuntime, serve: Serve) -> None:
    serve(0)
    asking = runtime.ask(NAME, ["echo", "task"])
    task = asyncio.run_coroutine_threadsafe(asking, runtime._loop)
    assert runtime.predict(NAME, ["echo", "thread"]) == "thread"
    assert task.result(PATIENCE_S) == "task"


class Request:
    """What a web framework has in the context of a request."""


def test_runtime_keeps_nothing_of_those_who_have_asked(
    runtime: ProcessRuntime, serve: Serve
) -> None:
    current: ContextVar[Request] = ContextVar("current")

    def ask() -> weakref.ref[Request]:
        current.set(Request())
        runtime.predict(NAME, ["echo", 1])
        return weakref.ref(current.get())

    serve(0)
    first = Context().run(ask)
    gc.collect()
    assert first() is None


@pytest.mark.parametrize(
    ("instance", "error", "message"),
    [
        (["refuse", "not this one"], BadRequest, "not this one"),
        (["raise", "secret"], ModelFailed, "The model failed"),
        (["object", ""], ModelFailed, "The model failed"),
        (["die", ""], ModelFailed, "The model failed"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_runtime_says_why_there_is_no_prediction(
    runtime: ProcessRuntime,
    serve: Serve,
    instance: list[str],
    error: type[ServiceError],
    message: str,
) -> None:
    serve(0), serve(1)
    with pytest.raises(error) as raised:
        runtime.predict(NAME, instance)
    assert raised.value.message == message


def test_runtime_knows_an_answer_that_came_too_late() -> None:
    with pytest.raises(DeadlineExceeded, match="AModel did not answer in time"):
        _prediction_of("AModel", Answer(1, Outcome.EXPIRED))


def test_runtime_asks_again_what_has_killed_one_replica(
    runtime: ProcessRuntime, serve: Serve, folder: Path
) -> None:
    serve(0), serve(1)
    before, mark = value_of(metrics.RETRIED), str(folder / "mark")
    assert runtime.predict(NAME, ["die once", mark]) == mark
    assert value_of(metrics.RETRIED) >= before + 1


@pytest.mark.parametrize("timeout_s", [0.001, 0.05], ids=str)
def test_runtime_waits_no_longer_than_the_caller(
    runtime: ProcessRuntime, serve: Serve, gate: Gate, timeout_s: float
) -> None:
    serve(0)
    before = value_of(metrics.EXPIRED)
    with ThreadPoolExecutor(1) as pool:
        held = asked(pool, runtime, *gate.instance)
        with gate:
            gate.wait()
            with pytest.raises(DeadlineExceeded, match="ObedientModel did not answer in time"):
                runtime.predict(NAME, ["echo", "a"], timeout_s=timeout_s)
        assert held.result(PATIENCE_S) == gate.instance[1]
    assert value_of(metrics.EXPIRED) == before + 1


@pytest.mark.parametrize("timeout_s", [1e300, float("inf")], ids=str)
def test_runtime_waits_no_longer_than_the_model_may(
    runtime: ProcessRuntime, serve: Serve, timeout_s: float
) -> None:
    serve(0)
    runtime._timeouts_s[NAME] = 0.05
    with pytest.raises(DeadlineExceeded):
        runtime.predict(NAME, ["hang", ""], timeout_s=timeout_s)


def test_runtime_takes_back_what_was_asked_by_a_caller_that_leaves(
    runtime: ProcessRuntime, serve: Serve, gate: Gate
) -> None:
    serve(0)
    door = Door(runtime)
    with ThreadPoolExecutor(3) as pool:
        held = asked(pool, runtime, *gate.instance)
        with gate:
            gate.wait()
            left = asked(pool, runtime, "batch", "left", leave=door)
            wait_until(lambda: runtime._shares[NAME]._in_flight == 2, "it is asked")
            door.go()
            assert isinstance(left.exception(PATIENCE_S), CallerLeft)
            stays = asked(pool, runtime, "batch", "stays", leave=Door(runtime))
            wait_until(lambda: runtime._shares[NAME]._in_flight == 2, "the other is asked")
        assert stays.result(PATIENCE_S) == ["stays"]
        assert held.result(PATIENCE_S) == gate.instance[1]


def test_runtime_answers_a_caller_that_leaves_later(runtime: ProcessRuntime, serve: Serve) -> None:
    serve(0)
    door = Door(runtime)
    assert runtime.predict(NAME, ["echo", "a"], leave=door) == "a"
    door.go()
    assert runtime.predict(NAME, ["echo", "b"], leave=Door(runtime)) == "b"


def test_runtime_tells_a_caller_that_waits_for_its_leave_of_an_error(
    runtime: ProcessRuntime, serve: Serve
) -> None:
    serve(0)
    with pytest.raises(BadRequest, match="not this"):
        runtime.predict(NAME, ["refuse", "not this"], leave=Door(runtime))


@in_loop
async def test_runtime_takes_back_what_a_cancelled_task_asked(
    run_dir: RunDir, serve: Serve, gate: Gate
) -> None:
    serve(0)
    runtime = runtime_of(run_dir)
    await runtime.open()
    held = asyncio.create_task(runtime.ask(NAME, gate.instance))
    await asyncio.to_thread(gate.wait)
    tasks = [asyncio.create_task(runtime.ask(NAME, ["batch", name])) for name in "ab"]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    gate.open()
    assert (tasks[0].cancelled(), await tasks[1]) == (True, ["b"])
    assert await held == gate.instance[1]
    await until(lambda: value_of(metrics.IN_FLIGHT) == 0)
    await runtime.close()
