"""bin/faults plays its scenarios, in the short form, and loses nothing."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from tests.services.conftest import Installation
from tests.services.processes import PATIENCE_S, clean_environment, free_port
from tests.services.project import Project

ROW = re.compile(r"(\w+) +(\w+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)  (passed|FAILED) *(.*)")
RUNNING = ["replica", "supervisor", "worker", "reload"]
OWN = ["broken", "overload", "stop", "master"]


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    lane: str
    requests: int
    answered: int
    refused: int
    lost: int
    verdict: str
    remarks: str


def faults(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project.folder / "bin/faults", *arguments],
        cwd="/",
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_S,
        check=False,
    )


def rows(run: subprocess.CompletedProcess[str]) -> dict[str, Row]:
    """Return the lines of the table by the names of the scenarios."""
    found = {}
    for line in run.stdout.splitlines():
        if match := ROW.fullmatch(line):
            requests, answered, refused, lost = (int(count) for count in match.groups()[2:6])
            found[match[1]] = Row(match[2], requests, answered, refused, lost, match[8], match[9])
    return found


@pytest.fixture(scope="module")
def equipped(installation: Installation) -> Iterator[Project]:
    """The installed project without a service, and what bin/faults needs."""
    project = installation.project
    project.lend_environment(".venv-test", "tests/requirements.txt")
    project.end()
    yield project
    project.end()


@pytest.fixture(scope="module")
def http_worker() -> str:
    """The default lane: the short form on both would take too long."""
    return "asgi"


@pytest.fixture(scope="module")
def running(
    equipped: Project, http_worker: str
) -> tuple[subprocess.CompletedProcess[str], psutil.Process]:
    """A run against a running service, and the master of that before."""
    equipped.run("stop.sh")
    settings = {"PORT": str(free_port()), "WORKERS": "2", "HTTP_WORKER": http_worker}
    assert equipped.run("start.sh", **settings).returncode == 0
    master = equipped.master
    return faults(equipped, "--running", "--short", f"--scenarios={','.join(RUNNING)}"), master


@pytest.fixture(scope="module")
def own(equipped: Project, http_worker: str) -> subprocess.CompletedProcess[str]:
    """A run against a copy that it starts itself."""
    return faults(equipped, "--short", f"--lane={http_worker}", f"--scenarios={','.join(OWN)}")


@pytest.mark.parametrize("scenario", RUNNING)
def test_fault_of_a_running_service_loses_nothing_but_what_is_allowed(
    running: tuple[subprocess.CompletedProcess[str], psutil.Process],
    http_worker: str,
    scenario: str,
) -> None:
    run, _ = running
    row = rows(run)[scenario]
    assert (row.verdict, row.lane) == ("passed", http_worker), run.stdout + run.stderr
    assert row.requests == row.answered + row.refused + row.lost
    assert row.answered > 0
    assert row.lost == 0 or scenario == "worker"


def test_faults_leave_the_running_service_running(
    equipped: Project, running: tuple[subprocess.CompletedProcess[str], psutil.Process]
) -> None:
    run, master = running
    assert run.returncode == 0, run.stdout + run.stderr
    assert equipped.master == master
    assert equipped.run("status.sh").returncode == 0


@pytest.mark.parametrize("scenario", OWN)
def test_fault_of_a_service_of_its_own_loses_nothing(
    own: subprocess.CompletedProcess[str], http_worker: str, scenario: str
) -> None:
    row = rows(own)[scenario]
    assert (row.verdict, row.lane) == ("passed", http_worker), own.stdout + own.stderr
    assert row.requests == row.answered + row.refused + row.lost
    assert row.answered > 0
    assert row.lost == 0 or scenario == "master"


def test_faults_overload_refuses_what_is_too_much(own: subprocess.CompletedProcess[str]) -> None:
    row = rows(own)["overload"]
    offered = re.match(r"goodput \d+ % of \d+/s, offered (.*?) times", row.remarks)
    assert offered
    # Three times, where the machine lets it ask so often.
    assert row.refused > row.answered * (float(offered[1]) - 1) / 2 > 0


def test_faults_leave_nothing_of_their_own_service(own: subprocess.CompletedProcess[str]) -> None:
    folder = own.stdout.partition("the service: ")[2].partition(" at ")[0]
    assert folder
    assert not [
        process
        for process in psutil.process_iter(["cwd"])
        if (process.info["cwd"] or "").startswith(folder)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--scenarios=flood"], "--scenarios=flood: allowed are replica,", id="name"),
        pytest.param(["--running", "--scenarios=stop"], "--scenarios=stop: allowed", id="stop"),
        pytest.param(["--lane=fast"], "--lane=fast: allowed are asgi, gthread, both", id="lane"),
        pytest.param(["--reloads=0"], "--reloads=0: allowed is a whole number", id="number"),
        pytest.param(["--fast"], "cannot understand '--fast'; see --help", id="option"),
    ],
)
def test_faults_say_in_a_line_what_is_wrong(
    equipped: Project, arguments: list[str], message: str
) -> None:
    run = faults(equipped, *arguments)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"faults: {message}")
    assert run.stderr.count("\n") == 1
