"""What one bad instance, or the end of a replica, costs the others: nothing."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.services.calls import greeting
from tests.services.faulty.service import FAST, FaultyService, faulty_copy, faulty_service
from tests.services.processes import tree, wait_until

NEIGHBOURS = [{"do": "echo", "value": number} for number in range(12)]
FAILED = {"message": "The model failed"}
MEMORY = Path("/sys/fs/cgroup/memory")
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyService]:
    project = faulty_copy(
        tmp_path_factory.mktemp("containment"),
        [*FAST, "FaultyModel", "HangingModel"],
        {"hanging_model": "[serving]\ntimeout_s = 10\n"},
    )
    with faulty_service(project) as service:
        yield service


@pytest.mark.parametrize("death", ["kill once", "crash once"])
def test_replica_that_dies_in_mid_batch_costs_no_answer(
    faulty: FaultyService, tmp_path: Path, death: str
) -> None:
    old = faulty.replica("FaultyModel")
    retried = faulty.metric("model_instances_retried_total", model="FaultyModel")
    marker = str(tmp_path / "died")
    replies = faulty.together("FaultyModel", {"do": death, "value": marker}, *NEIGHBOURS)
    assert [reply.status for reply in replies] == [200] * 13
    assert [reply.body["result"] for reply in replies] == [marker, *range(12)]
    assert faulty.metric("model_instances_retried_total", model="FaultyModel") >= retried + 13
    assert faulty.replica("FaultyModel") != old


@pytest.mark.parametrize("death", ["kill", "crash"])
def test_instance_that_always_kills_its_replica_fails_alone(
    faulty: FaultyService, death: str
) -> None:
    bad, *others = faulty.together("FaultyModel", {"do": death, "value": None}, *NEIGHBOURS)
    assert (bad.status, bad.body) == (500, FAILED)
    assert [(other.status, other.body["result"]) for other in others] == [
        (200, number) for number in range(12)
    ]


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        pytest.param("raise", "ValueError: too odd", id="raises"),
        pytest.param("lose", "predict returned 0 predictions for 1 instances", id="loses results"),
        pytest.param("object", "a prediction is no plain data", id="is no plain data"),
    ],
)
def test_instance_that_fails_a_batch_fails_alone(
    faulty: FaultyService, do: str, reason: str
) -> None:
    pid = faulty.replica("FaultyModel").pid
    bad, *others = faulty.together("FaultyModel", {"do": do, "value": "too odd"}, *NEIGHBOURS)
    assert (bad.status, bad.body) == (500, FAILED)
    assert [(other.status, other.body["result"]) for other in others] == [
        (200, number) for number in range(12)
    ]
    assert reason in faulty.log()
    assert faulty.replica("FaultyModel").pid == pid


def test_instance_that_the_model_refuses_is_told_why(faulty: FaultyService) -> None:
    bad, *others = faulty.together("FaultyModel", {"do": "refuse", "value": "odd"}, *NEIGHBOURS)
    assert (bad.status, bad.body) == (400, {"message": "odd"})
    assert {other.status for other in others} == {200}


@pytest.mark.parametrize(("do", "function"), [("hang", "_hang"), ("hang in C", "_hang_in_c")])
def test_model_that_hangs_is_replaced(faulty: FaultyService, do: str, function: str) -> None:
    old = faulty.replica("HangingModel")
    with ThreadPoolExecutor() as pool:
        hanging = pool.submit(faulty.ask, "HangingModel", do)
        faulty.wait_for_depth("HangingModel", 1)
        assert greeting(faulty.url) == "Hello, Leo!"
        assert not hanging.done()
        assert hanging.result().status == 504
    wait_until(lambda: not old.is_running(), "the replica that hangs is killed")
    wait_until(lambda: faulty.ask("HangingModel", "echo").status == 200, "there is a new one")
    assert f"in {function}\n" in faulty.printed.read_text()
    assert "took too long and was killed" in faulty.log()


@contextmanager
def memory_limit(service: FaultyService, limit_bytes: int) -> Iterator[None]:
    """Have all processes of a service share so much memory, on top of what they have."""
    group = MEMORY / f"model-serving-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(limit_bytes))
    except OSError as error:
        pytest.skip(f"no memory can be limited here: {error}")
    try:
        _move(tree(service.pid), group)
        yield
    finally:

        def is_empty() -> bool:
            _move(tree(service.pid), MEMORY)  # A process may start one before it is moved.
            return not (group / "cgroup.procs").read_text()

        wait_until(is_empty, "the group is empty")
        group.rmdir()


def _move(processes: list[psutil.Process], group: Path) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(str(process.pid))


def test_model_that_eats_all_memory_is_killed_alone(faulty: FaultyService) -> None:
    others = [faulty.supervisor, *faulty.workers, faulty.replica("XXXModel")]
    old = faulty.replica("FaultyModel")
    with memory_limit(faulty, 300 * MIB):
        reply = faulty.ask("FaultyModel", "grow", 2000)
        assert (reply.status, reply.body) == (500, FAILED)
        assert greeting(faulty.url) == "Hello, Leo!"
    assert faulty.ask("FaultyModel", "echo", 1).body == {"result": 1}
    assert faulty.replica("FaultyModel") != old
    assert [faulty.supervisor, *faulty.workers, faulty.replica("XXXModel")] == others
