"""ThreadClient against real replicas in a generation's folder."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from model_serving import metrics
from model_serving.errors import CallerLeft, DeadlineExceeded, ModelFailed, ModelNotReady
from model_serving.serving.registry import FAILURE_NAME, Registry
from model_serving.serving.run_dir import GenerationDir
from model_serving.serving.thread_client import ThreadClient
from model_serving.serving.wire import Answer, Outcome
from tests.serving.replicas import Gate, RunningReplica

NAME = "ObedientModel"
PATIENCE_S = 60.0
Serve = Callable[[int], RunningReplica]


@pytest.fixture
def client(folder: Path) -> Iterator[ThreadClient]:
    client = ThreadClient(NAME, Registry(GenerationDir(folder), [NAME]))
    yield client
    for link in client._links.values():
        link.close()


def ask(client: ThreadClient, *instance: Any, in_s: float = PATIENCE_S) -> Answer:
    return client.ask(list(instance), time.monotonic() + in_s)


def wait_until_listed(client: ThreadClient, count: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while len((seen := client._registry.listing(NAME)).sockets) != count:
        assert client._registry.wait_for_change(NAME, seen, deadline_s)


def retried() -> float:
    return float(metrics.RETRIED.labels(NAME)._value.get())


def test_client_gives_each_thread_the_answer_to_its_question(
    client: ThreadClient, serve: Serve
) -> None:
    serve(0), serve(1)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda number: ask(client, "refuse", str(number)), range(2000)))
    assert [answer.value for answer in answers] == [str(number) for number in range(2000)]
    assert {answer.outcome for answer in answers} == {Outcome.INVALID}


def test_client_waits_for_the_first_replica(client: ThreadClient, serve: Serve) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, client, "batch", "a")
        serve(0)
        assert answer.result(PATIENCE_S).value == ["a"]


def test_client_asks_the_successor_of_a_killed_replica(
    client: ThreadClient, serve: Serve, folder: Path
) -> None:
    gate, before, first = Gate(folder / "gate"), retried(), serve(0)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, client, *gate.instance)
        with gate:
            gate.wait()
            first.signal(signal.SIGKILL)
            first.ended()
        first.path.unlink()
        serve(0)
        with gate:
            gate.wait()
        assert answer.result(PATIENCE_S).outcome == Outcome.PREDICTED
    assert retried() >= before + 1


def test_client_asks_another_replica_while_a_dead_one_is_still_listed(
    client: ThreadClient, serve: Serve
) -> None:
    first, second = serve(0), serve(1)
    first.signal(signal.SIGKILL)
    first.ended()
    pids = {ask(client, "pid", "").value for _ in range(20)}
    assert pids == {second.process.pid}
    assert first.path.exists()


def test_client_forgets_the_idle_connections_of_a_dead_replica(
    client: ThreadClient, serve: Serve, folder: Path
) -> None:
    first, gate = serve(0), Gate(folder / "gate")
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, client, *gate.instance)]
        with gate:
            gate.wait()
            answers += [pool.submit(ask, client, "batch", "a") for _ in range(3)]
        assert len([answer.result(PATIENCE_S) for answer in answers]) == 4
    first.signal(signal.SIGKILL)
    first.ended()
    second = serve(1)
    assert ask(client, "pid", "").value == second.process.pid


def test_client_gives_up_what_has_killed_two_replicas(client: ThreadClient, serve: Serve) -> None:
    serve(0), serve(1)
    with pytest.raises(ModelFailed) as raised:
        ask(client, "die", "")
    assert "killed its replica" in str(raised.value.__cause__)


def test_client_loses_none_of_those_that_were_with_a_killing_one(
    client: ThreadClient, serve: Serve, folder: Path
) -> None:
    replicas, gate = [serve(0)], Gate(folder / "gate")
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, client, *gate.instance)]
        with gate:
            gate.wait()
            bad = pool.submit(ask, client, "die", "")
            answers += [pool.submit(ask, client, "refuse", str(number)) for number in range(6)]
        for _ in range(2):
            replicas[-1].ended()
            replicas[-1].path.unlink()
            replicas.append(serve(0))
        assert isinstance(bad.exception(PATIENCE_S), ModelFailed)
        values = [answer.result(PATIENCE_S).value for answer in answers]
    assert values[1:] == [str(number) for number in range(6)]


def test_client_asks_again_what_has_killed_one_replica(
    client: ThreadClient, serve: Serve, folder: Path
) -> None:
    serve(0), serve(1)
    assert ask(client, "die once", str(folder / "mark")).outcome == Outcome.PREDICTED


@pytest.mark.parametrize("is_listed", [False, True], ids=["no replica", "busy replica"])
def test_client_waits_no_longer_than_the_deadline(
    client: ThreadClient, serve: Serve, folder: Path, is_listed: bool
) -> None:
    gate = Gate(folder / "gate")
    if not is_listed:
        with pytest.raises(DeadlineExceeded, match="has no replica that could answer in time"):
            ask(client, "batch", "a", in_s=0.05)
        return
    serve(0)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(ask, client, *gate.instance)
        with gate:
            gate.wait()
            with pytest.raises(DeadlineExceeded, match="did not answer in time"):
                ask(client, "batch", "a", in_s=0.05)
        assert held.result(PATIENCE_S).outcome == Outcome.PREDICTED
    assert ask(client, "batch", "b").value == ["b"]


def test_client_notices_that_the_caller_leaves(
    client: ThreadClient, serve: Serve, folder: Path
) -> None:
    serve(0)
    gate = Gate(folder / "gate")
    server_end, callers_end = socket.socketpair()
    with ThreadPoolExecutor(1) as pool, server_end, gate:
        deadline_s = time.monotonic() + PATIENCE_S
        answer = pool.submit(client.ask, gate.instance, deadline_s, server_end.fileno())
        gate.wait()
        callers_end.close()
        assert isinstance(answer.exception(PATIENCE_S), CallerLeft)


def test_client_is_not_misled_by_what_the_caller_sends_next(
    client: ThreadClient, serve: Serve, folder: Path
) -> None:
    serve(0)
    gate = Gate(folder / "gate")
    server_end, callers_end = socket.socketpair()
    with ThreadPoolExecutor(1) as pool, server_end, callers_end:
        deadline_s = time.monotonic() + PATIENCE_S
        answer = pool.submit(client.ask, gate.instance, deadline_s, server_end.fileno())
        with gate:
            gate.wait()
            callers_end.sendall(b"the next request")
        assert answer.result(PATIENCE_S).outcome == Outcome.PREDICTED


def test_client_says_at_once_that_a_model_has_failed(client: ThreadClient, sockets: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, client, "batch", "a")
        (sockets / FAILURE_NAME).write_text("no weights")
        error = answer.exception(PATIENCE_S)
    assert isinstance(error, ModelNotReady)
    assert "no weights" not in error.message


def test_client_asks_the_replicas_that_serve_though_one_has_failed(
    client: ThreadClient, serve: Serve, sockets: Path
) -> None:
    serve(0)
    (sockets / FAILURE_NAME).write_text("no memory")
    wait_until_listed(client, 1)
    assert ask(client, "batch", "a").value == ["a"]


def test_client_picks_the_replica_with_the_fewest_in_flight(
    client: ThreadClient, serve: Serve, folder: Path
) -> None:
    gate, pids = Gate(folder / "gate"), [serve(0).process.pid, serve(1).process.pid]
    wait_until_listed(client, 2)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(ask, client, *gate.instance)
        with gate:
            gate.wait()
            idle = {ask(client, "pid", "").value for _ in range(10)}
        assert held.result(PATIENCE_S).outcome == Outcome.PREDICTED
    assert len(idle) == 1
    assert idle < set(pids)


def test_client_fails_where_the_instance_cannot_be_sent(client: ThreadClient, serve: Serve) -> None:
    serve(0)
    with pytest.raises(TypeError):
        ask(client, "batch", object())
    assert ask(client, "batch", "a").value == ["a"]
    assert {link.in_flight for link in client._links.values()} == {0}


def test_client_sends_and_receives_large_data_from_many_threads(
    client: ThreadClient, serve: Serve
) -> None:
    serve(0)
    images = [bytes([number]) * 3_000_000 for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda image: ask(client, "refuse", image.hex()), images))
    assert [result.value for result in results] == [image.hex() for image in images]
