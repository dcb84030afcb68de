"""The end of any process of the service: it is whole again, or gone without a trace."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.services.calls import ANSWERS, greeting, three_calls
from tests.services.faulty.service import FAST, FaultyService, faulty_copy, faulty_service
from tests.services.processes import is_ready, living, tree, wait_until
from tests.services.project import Project

# What can be killed without an end of the whole.
PARTS: dict[str, Callable[[FaultyService], psutil.Process]] = {
    "HTTP worker": lambda service: service.workers[0],
    "supervisor": lambda service: service.supervisor,
    "replica": lambda service: service.replica("FaultyModel"),
}


@pytest.fixture
def faulty(tmp_path: Path, http_worker: str) -> Iterator[FaultyService]:
    project = faulty_copy(tmp_path / "faulty", [*FAST, "FaultyModel"])
    with faulty_service(project, HTTP_WORKER=http_worker) as service:
        yield service


def replaced(service: FaultyService, part: str, old: psutil.Process) -> bool:
    """Whether another process has taken the place of a part."""
    try:
        return not living([old]) and PARTS[part](service) != old and len(service.workers) == 2
    except (ValueError, psutil.NoSuchProcess):  # There is none.
        return False


@pytest.mark.parametrize("part", PARTS)
def test_service_is_whole_again_after_the_end_of_a_part(faulty: FaultyService, part: str) -> None:
    others = {name: find(faulty) for name, find in PARTS.items() if name != part}
    for _ in range(2):
        killed = PARTS[part](faulty)
        killed.kill()
        assert greeting(faulty.url) == "Hello, Leo!"
        assert faulty.ask("FaultyModel", "echo", 1).body == {"result": 1}
        wait_until(partial(replaced, faulty, part, killed), "there is a new part")
    assert all(living([other]) for other in others.values())
    wait_until(partial(is_ready, faulty.url), "all models are ready")


def test_replica_is_replaced_after_the_end_of_its_supervisor(faulty: FaultyService) -> None:
    replica, supervisor = faulty.replica("FaultyModel"), faulty.supervisor
    supervisor.kill()
    wait_until(partial(replaced, faulty, "supervisor", supervisor), "there is a new supervisor")
    assert faulty.replica("FaultyModel") == replica
    replica.kill()
    assert faulty.ask("FaultyModel", "echo", 1).body == {"result": 1}
    assert faulty.replica("FaultyModel") != replica


def test_service_without_its_master_leaves_nothing_behind(faulty: FaultyService) -> None:
    processes, run_dir = tree(faulty.pid), faulty.run_dir
    psutil.Process(faulty.pid).kill()
    wait_until(lambda: not living(processes), "all processes have ended")
    wait_until(lambda: not run_dir.exists(), "the run folder is removed")


def test_service_whose_master_was_killed_starts_at_once(project: Project, service: str) -> None:
    before = tree(project.master.pid)
    before[0].kill()
    wait_until(lambda: not living(before[:1]), "it is dead")
    start = project.run("start.sh", PORT=service.rpartition(":")[2])
    assert start.returncode == 0, start.stderr
    assert three_calls(service) == ANSWERS
    assert living(before) == []


def test_two_services_do_not_meet(faulty: FaultyService, tmp_path: Path) -> None:
    # Not the catalogue, which ends when all models are tried.
    processes = [faulty.supervisor, *faulty.workers, *map(faulty.replica, [*FAST, "FaultyModel"])]
    project = faulty_copy(tmp_path / "other", [*FAST, "FaultyModel"])
    with faulty_service(project) as other:
        assert other.run_dir != faulty.run_dir
        killed = tree(other.pid)
        psutil.Process(other.pid).kill()
        wait_until(lambda: not living(killed), "the other service has ended")
    assert living(processes) == processes
    assert faulty.ask("FaultyModel", "echo", 1).body == {"result": 1}
