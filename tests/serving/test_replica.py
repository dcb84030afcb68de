"""Replica processes, asked over bare connections."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_serving.figures import SUFFIX, Figures
from model_serving.serving.wire import Answer, Outcome
from tests.serving.replicas import (
    OBEDIENT,
    Gate,
    Line,
    Replicas,
    RunningReplica,
    line_to,
    running_replicas,
)

MODULE = OBEDIENT.partition(":")[0]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReplica]:
    """Return a replica that no test ends."""
    for replicas in running_replicas(tmp_path_factory.mktemp("shared")):
        yield replicas.start(max_batch_size=8)


@pytest.fixture
def line(shared: RunningReplica) -> Iterator[Line]:
    with line_to(shared) as line:
        yield line


def batch(*arguments: Any) -> list[list[Any]]:
    return [["batch", argument] for argument in arguments]


def values(answers: list[Answer]) -> list[Any]:
    return [answer.value for answer in answers]


@pytest.mark.parametrize(
    ("instance", "outcome", "value"),
    [
        (["batch", {"a": [b"\0", 1.5, None]}], Outcome.PREDICTED, [{"a": [b"\0", 1.5, None]}]),
        (["refuse", "not this"], Outcome.INVALID, "not this"),
        (["raise", "secret"], Outcome.FAILED, None),
        (["exit", "secret"], Outcome.FAILED, None),
        (["object", ""], Outcome.FAILED, None),
    ],
    ids=["predicted", "refused", "raises", "exits", "no plain data"],
)
def test_replica_answers(line: Line, instance: Any, outcome: Outcome, value: Any) -> None:
    line.ask(instance, first=7)
    assert line.answers() == [Answer(7, outcome, value)]


def test_replica_lets_a_bad_instance_fail_alone(line: Line) -> None:
    line.ask(["batch", 1], ["raise", ""], ["object", ""], ["batch", 2])
    outcomes = [answer.outcome for answer in line.answers(4)]
    assert outcomes == [Outcome.PREDICTED, Outcome.FAILED, Outcome.FAILED, Outcome.PREDICTED]


def test_replica_takes_what_came_meanwhile_as_one_batch(
    shared: RunningReplica, line: Line, gate: Gate
) -> None:
    with line_to(shared) as first, line_to(shared) as second:
        with gate:
            line.ask(gate.instance)
            gate.wait()
            first.ask(*batch("a", "b"))
            second.ask(*batch("c"))
        assert sorted(first.answers()[0].value) == ["a", "b", "c"]
        assert sorted(second.answers()[0].value) == ["a", "b", "c"]


def test_replica_keeps_to_the_maximum_of_a_batch(line: Line, gate: Gate) -> None:
    with gate:
        line.ask(gate.instance)
        gate.wait()
        line.ask(*batch(*range(20)), first=100)
    answers = line.answers(21)[1:]
    assert [len(value) for value in values(answers)] == [8] * 16 + [4] * 4
    assert [answer.id for answer in answers] == list(range(100, 120))


def test_replica_announces_what_is_alone_and_predicts_it_alone(line: Line, gate: Gate) -> None:
    with gate:
        line.ask(gate.instance)
        gate.wait()
        line.ask(*batch("a"), first=2)
        line.ask(*batch("alone"), first=3, alone=True)
        line.ask(*batch("b"), first=4)
    assert line.answers(5)[1:] == [
        Answer(2, Outcome.PREDICTED, ["a"]),
        Answer(3, Outcome.STARTED),
        Answer(3, Outcome.PREDICTED, ["alone"]),
        Answer(4, Outcome.PREDICTED, ["b"]),
    ]


def test_replica_announces_before_it_predicts(line: Line, gate: Gate) -> None:
    with gate:
        line.ask(gate.instance, alone=True)
        assert line.answers() == [Answer(1, Outcome.STARTED)]
        gate.wait()
    assert line.answers()[0].outcome == Outcome.PREDICTED


def test_replica_does_not_predict_what_is_cancelled(line: Line, gate: Gate) -> None:
    with gate:
        line.ask(gate.instance)
        gate.wait()
        line.ask(*batch("a", "b", "c"), first=2)
        line.cancel(3)
    assert values(line.answers(3)[1:]) == [["a", "c"]] * 2


def test_replica_drops_what_was_asked_over_a_closed_connection(
    shared: RunningReplica, line: Line, gate: Gate
) -> None:
    with gate:
        line.ask(gate.instance)
        gate.wait()
        with line_to(shared) as leaver:
            leaver.ask(*batch("left"))
        line.ask(*batch("a"))
    assert values(line.answers(2))[1] == ["a"]


def test_replica_answers_what_comes_too_late_without_predicting_it(line: Line, gate: Gate) -> None:
    with gate:
        line.ask(gate.instance)
        gate.wait()
        line.ask(*batch("late"), first=2, in_s=-1)
        line.ask(*batch("a"), first=3)
    answers = line.answers(3)[1:]
    assert answers == [Answer(2, Outcome.EXPIRED), Answer(3, Outcome.PREDICTED, ["a"])]


def test_replica_waits_for_nobody_who_reads_slowly(shared: RunningReplica, line: Line) -> None:
    large = "x" * 4_000_000
    with line_to(shared) as slow:
        slow.ask(["refuse", large])
        line.ask(*batch("a"))
        assert line.answers()[0].outcome == Outcome.PREDICTED
        line.ask(*batch("b"))
        assert values(line.answers()) == [["b"]]
        assert values(slow.answers()) == [large]


def test_replica_reads_what_comes_piece_by_piece(shared: RunningReplica) -> None:
    large = "x" * 4_000_000
    with line_to(shared) as one, line_to(shared) as other:
        sender = threading.Thread(target=one.ask, args=(["refuse", large],))
        sender.start()
        other.ask(*batch("a"))
        assert len(other.answers()) == 1
        assert len(one.answers()[0].value) == len(large)
        sender.join()


def test_replica_waits_for_the_batch_to_fill(replicas: Replicas) -> None:
    replica = replicas.start(max_wait_ms=60_000, max_batch_size=3)
    with line_to(replica) as first, line_to(replica) as second:
        first.ask(*batch("a"))
        second.ask(*batch("b"))
        first.ask(*batch("c"), first=2)
        assert sorted(second.answers()[0].value) == ["a", "b", "c"]


def test_replica_goes_on_waiting_when_somebody_connects(replicas: Replicas) -> None:
    replica = replicas.start(max_wait_ms=60_000, max_batch_size=2)
    with line_to(replica) as first:
        first.ask(*batch("a"))
        first.socket.settimeout(0.05)
        for _ in range(4):
            with line_to(replica), pytest.raises(TimeoutError):
                first.answers()
        first.socket.settimeout(60)
        first.ask(*batch("b"))
        assert values(first.answers()) == [["a", "b"]]


def test_replica_that_waits_for_more_sends_what_it_has_in_time(replicas: Replicas) -> None:
    replica = replicas.start(max_wait_ms=50, max_batch_size=3)
    with line_to(replica) as line:
        line.ask(*batch("a"))
        assert values(line.answers()) == [["a"]]


def test_replica_counts_its_batches(folder: Path) -> None:
    (folder / "metrics").mkdir()
    for replicas in running_replicas(folder, folder / "metrics"):
        with line_to(replicas.start()) as line:
            line.ask(*batch("a"))
            assert len(line.answers()) == 1
            line.ask(*batch("b"))
            assert len(line.answers()) == 1
    figures = [Figures(path) for path in (folder / "metrics").glob(f"*{SUFFIX}")]
    assert [sum(found.inference.counts) for found in figures] == [2]
    assert [found.batch_size.sum for found in figures] == [2]
