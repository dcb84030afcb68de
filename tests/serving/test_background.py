"""Questions of the background: in a replica's queue, in real replicas, and from the runtime."""

import asyncio
import math
import os
import signal
from collections.abc import Callable

import pytest

from model_serving.errors import DeadlineExceeded, ModelFailed, Overloaded
from model_serving.serving.run_dir import RunDir
from model_serving.serving.wire import Cancel, Outcome, Priority, Question
from tests.loops import in_loop
from tests.serving.clients import closed, connected
from tests.serving.replicas import Gate, Replicas, RunningReplica, line_to
from tests.serving.runtimes import NAME, runtime_of
from tests.serving.test_batching import Listener, batches, queue_of

Serve = Callable[[int], RunningReplica]
FIRST, HIGH, LOW = Priority


def question(number: int, priority: Priority, alone: bool = False) -> Question:
    return Question(number, 0.0, math.inf, alone, None, priority)


@pytest.mark.parametrize(
    ("priorities", "expected"),
    [
        ([LOW, HIGH, FIRST, FIRST], [[2, 3], [1], [0]]),
        ([LOW, LOW, LOW], [[0], [1], [2]]),
        ([FIRST] * 4 + [HIGH], [[0, 1, 2], [3], [4]]),
    ],
    ids=["by priority", "one at a time while nothing is known", "no place left"],
)
def test_queue_takes_the_background_when_nobody_else_waits(
    priorities: list[Priority], expected: list[list[int]]
) -> None:
    assert batches(queue_of(*map(question, range(9), priorities))) == expected


def test_queue_takes_more_of_the_background_where_calls_are_dear() -> None:
    queue = queue_of(*map(question, range(9), [LOW, HIGH, LOW, FIRST, LOW]), maximum=4)
    queue.pace.observe(1, 1.0, has_background=True)
    queue.pace.observe(2, 1.0, has_background=True)
    assert batches(queue) == [[3, 1, 0, 2], [4]]


@pytest.mark.parametrize(
    ("priorities", "alone", "expected"),
    [
        ([FIRST, LOW], 0, [[0], [1]]),
        ([FIRST, LOW], 1, [[0], [1]]),
        ([HIGH, LOW, LOW], 0, [[0], [1, 2]]),
    ],
    ids=["foreground", "background", "first of the background"],
)
def test_queue_keeps_an_alone_one_out_of_mixed_batches(
    priorities: list[Priority], alone: int, expected: list[list[int]]
) -> None:
    asked = [question(at, priority, at == alone) for at, priority in enumerate(priorities)]
    queue = queue_of(*asked)
    queue.pace.observe(1, 1.0, has_background=True)
    assert batches(queue) == expected


def test_queue_takes_the_background_first_where_it_owes_it_a_batch() -> None:
    queue = queue_of(*map(question, range(3), [FIRST, LOW, FIRST]))
    (owed,) = queue.take(owes_background=True)
    assert owed.question.id == 1
    assert len(queue.take(owes_background=True)) == 2


def test_queue_waits_for_no_more_of_the_background() -> None:
    assert queue_of(question(1, LOW)).is_full
    assert not queue_of(question(1, LOW), question(2, FIRST)).is_full


def test_queue_drops_what_is_cancelled_in_the_background() -> None:
    caller = Listener()
    queue = queue_of(*map(question, range(4), [LOW, HIGH, HIGH, LOW]), caller=caller)
    queue.cancel(Cancel(0), caller)
    queue.cancel(Cancel(2), caller)
    assert batches(queue) == [[1], [3]]


def test_replica_predicts_the_background_last(replicas: Replicas, gate: Gate) -> None:
    with line_to(replicas.start()) as line:
        with gate:
            line.ask(gate.instance)
            gate.wait()
            for first, priority in ((10, LOW), (20, HIGH), (30, FIRST)):
                line.ask(*[["echo", ""]] * 3, first=first, priority=priority)
        assert [answer.id for answer in line.answers(10)] == [
            1,
            *[30, 31, 32],
            20,
            21,
            22,
            10,
            11,
            12,
        ]


def test_replica_tries_a_failed_batch_of_the_background_one_by_one(
    replicas: Replicas, gate: Gate
) -> None:
    with line_to(replicas.start()) as line:
        with gate:
            line.ask(gate.instance)
            gate.wait()
            line.ask(["raise", ""], ["batch", "a"], ["batch", "b"], first=2, priority=LOW)
        answers = [answer for answer in line.answers(6) if answer.outcome != Outcome.STARTED]
    told = {answer.id: (answer.outcome, answer.value) for answer in answers[1:]}
    assert told[2] == (Outcome.FAILED, None)
    assert told[3] == (Outcome.PREDICTED, ["a"])


@in_loop
async def test_client_asks_the_successor_without_a_deadline(
    run_dir: RunDir, serve: Serve, gate: Gate
) -> None:
    first = serve(0)
    async with connected(run_dir) as client:
        async with closed(client, gate) as held:
            asked = [client.ask(["echo", at], math.inf, LOW) for at in range(5)]
            waiting = [asyncio.create_task(question) for question in asked]
            await asyncio.sleep(0)
            first.signal(signal.SIGKILL)
            first.ended()
            first.path.unlink()
        await asyncio.to_thread(serve, 0)
        await asyncio.to_thread(gate.wait)
        gate.open()
        assert [(await task).value for task in waiting] == list(range(5))
        await held


@in_loop
async def test_client_gives_up_what_kills_replicas_in_the_background(
    run_dir: RunDir, serve: Serve
) -> None:
    serve(0), serve(1)
    async with connected(run_dir) as client:
        with pytest.raises(ModelFailed):
            await client.ask(["die", ""], math.inf, HIGH)


@in_loop
async def test_runtime_counts_the_background_not_among_its_callers(
    run_dir: RunDir, serve: Serve
) -> None:
    runtime = runtime_of(run_dir, max_queue=1)
    await runtime.open()
    tasks = [asyncio.create_task(runtime.ask(NAME, ["echo", at], None, LOW)) for at in range(5)]
    tasks.append(asyncio.create_task(runtime.ask(NAME, ["echo", 5])))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await runtime.ask(NAME, ["echo", "one more"])
    with pytest.raises(DeadlineExceeded):
        await runtime.ask(NAME, ["echo", "late"], 0.01, LOW)
    await asyncio.to_thread(serve, 0)
    assert await asyncio.gather(*tasks) == list(range(6))
    await runtime.close()


@in_loop
async def test_runtime_that_is_closed_keeps_no_generation(run_dir: RunDir) -> None:
    runtime = runtime_of(run_dir)
    await runtime.open()
    assert runtime.is_current
    run_dir.make_current(run_dir.make_generation(2))
    assert not runtime.is_current
    await runtime.close()
    with pytest.raises(OSError, match="No such device"):  # Nobody has the FIFO open.
        os.open(run_dir.generation(1).users, os.O_WRONLY | os.O_NONBLOCK)
