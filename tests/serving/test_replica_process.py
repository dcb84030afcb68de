"""The life of a replica process: how it comes to serve, and how it ends."""

import os
import signal
import threading
from typing import Any

import pytest

from model_serving.serving.wire import Answer
from tests.serving.replicas import OBEDIENT, Gate, Replicas, line_to

MODULE = OBEDIENT.partition(":")[0]


def batch(*arguments: Any) -> list[list[Any]]:
    return [["batch", argument] for argument in arguments]


def values(answers: list[Answer]) -> list[Any]:
    return [answer.value for answer in answers]


def test_replica_that_hangs_is_killed_and_shows_where(replicas: Replicas) -> None:
    replica = replicas.start(timeout_s=5.0)
    with line_to(replica) as line:
        line.ask(["hang", ""])
        assert line.answers() == []
    assert replica.ended() == -signal.SIGALRM
    assert "models_for_replicas.py" in replica.printed.read_text()


def test_replica_is_not_killed_between_batches(replicas: Replicas) -> None:
    replica = replicas.start(timeout_s=5.0)
    with line_to(replica) as line:
        for _ in range(2):
            line.ask(*batch("a"))
            assert values(line.answers()) == [["a"]]
            assert not threading.Event().wait(5.5)
    assert replica.process.poll() is None


def test_replica_reports_what_it_predicts_for_the_examples(replicas: Replicas) -> None:
    report = replicas.start(instances=batch("a", b"b")).report
    assert (report.error, report.predictions) == (None, [["a"], [b"b"]])


@pytest.mark.parametrize(
    ("target", "instances", "error"),
    [
        ("BrokenModel", [], "FileNotFoundError: weights.onnx is missing"),
        ("ExitingModel", [], "SystemExit: no licence"),
        ("NoModel", [], "AttributeError: module"),
        ("ObedientModel", [["batch", 1], ["refuse", "bad"]], "example 2 is refused: bad"),
        ("ObedientModel", [["raise", "secret"]], "The model failed"),
        ("ObedientModel", [["object", ""]], "TypeError: "),
    ],
    ids=["raises", "exits", "unknown", "example refused", "example fails", "example is no data"],
)
def test_replica_reports_why_it_cannot_serve(
    replicas: Replicas, target: str, instances: list[Any], error: str
) -> None:
    replica = replicas.start(target=f"{MODULE}:{target}", instances=instances)
    assert error in str(replica.report.error)
    assert replica.ended() == 1
    assert not replica.path.exists() or target == "ObedientModel"


def test_replica_that_does_not_load_in_time_is_killed(replicas: Replicas) -> None:
    replica = replicas.start(target=f"{MODULE}:EndlessModel", start_timeout_s=0.1)
    assert replica.report.error == "ended without a report"
    assert replica.ended() == -signal.SIGALRM


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "waits for more"])
def test_replica_ends_when_its_lifeline_does(replicas: Replicas, is_busy: bool) -> None:
    replica = replicas.start(max_wait_ms=60_000)
    with line_to(replica) as line:
        if is_busy:
            line.ask(*batch("a"))
        os.close(replica.lifeline)
        assert replica.ended() == 0


def test_replica_ignores_what_terminals_and_platforms_send(replicas: Replicas) -> None:
    replica = replicas.start()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        replica.signal(number)
    with line_to(replica) as line:
        line.ask(*batch("a"))
        assert values(line.answers()) == [["a"]]


def test_replica_leaves_when_told(replicas: Replicas) -> None:
    replica = replicas.start()
    replica.signal(signal.SIGUSR1)
    assert replica.ended() == 0


def test_replica_leaves_when_told_while_it_predicts(replicas: Replicas, gate: Gate) -> None:
    replica = replicas.start()
    with line_to(replica) as line, gate:
        line.ask(gate.instance)
        gate.wait()
        replica.signal(signal.SIGUSR1)
        assert line.answers() == []
        assert replica.ended() == 0
