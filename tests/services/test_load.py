"""bin/load measures a running service, and says what is wrong with a call of it."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.load.service import lend_environment
from tests.services.processes import clean_environment, free_port
from tests.services.project import Project

LINES = ["requests", "throughput", "latency", "status", "lost"]


@pytest.fixture
def equipped(project: Project) -> Project:
    """The installed project, with what bin/load needs."""
    if not (project.folder / ".venv-test").exists():
        lend_environment(project.folder, ".venv-test", "tests/requirements.txt")
    return project


def begin(project: Project, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [project.folder / "bin/load", *arguments],
        cwd="/",
        env=clean_environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def load(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return project.finish(begin(project, *arguments))


def figures(output: str) -> dict[str, str]:
    """Return the lines of the report by their first word."""
    report = dict(line.split(maxsplit=1) for line in output.splitlines()[1:])
    assert list(report) == LINES
    return report


def statuses(output: str) -> dict[int, int]:
    found = re.findall(r"(\d+) x (\d+)", figures(output)["status"])
    return {int(status): int(count) for count, status in found}


@pytest.mark.usefixtures("service")
def test_load_of_a_model_by_its_examples_adds_up(equipped: Project) -> None:
    ended = load(equipped, "XXXModel", "--duration=2", "--concurrency=4")
    assert (ended.returncode, ended.stderr) == (0, "")
    report = figures(ended.stdout)
    count = int(report["requests"].split()[0])
    assert count > 4
    assert (report["status"], report["lost"]) == (f"{count} x 200", "0")


def test_load_at_a_rate_sends_the_bodies_of_a_file(
    equipped: Project, service: str, tmp_path: Path
) -> None:
    file = tmp_path / "bodies.jsonl"
    file.write_text('{"name": "Leo"}\n{"name": 5}\n')
    arguments = [f"--input={file}", "--rate=50", "--duration=2", f"--url={service}"]
    ended = load(equipped, "XXXModel", *arguments)
    assert ended.returncode == 0, ended.stderr
    counted = statuses(ended.stdout)
    assert counted.keys() == {200, 400}
    assert sum(counted.values()) in (100, 101)


@pytest.mark.usefixtures("service")
def test_load_shows_its_progress_if_asked(equipped: Project) -> None:
    ended = load(equipped, "XXXModel", "--duration=1", "--progress")
    assert re.search(r"XXXModel: +\d+ requests/s, +\d+ s left", ended.stderr)


@pytest.mark.usefixtures("service")
def test_load_interrupted_tells_the_figures_so_far(equipped: Project) -> None:
    process = begin(equipped, "XXXModel", "--duration=600", "--progress")
    assert process.stderr is not None
    while not re.search(r"[1-9]\d* requests/s", process.stderr.readline()):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    ended = project_finish(process)
    assert ended.returncode == 0
    assert statuses(ended.stdout)[200] > 0


def project_finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    return Project.finish(process)


@pytest.mark.usefixtures("service")
def test_load_ends_with_1_if_something_is_lost(equipped: Project) -> None:
    process = begin(equipped, "XXXModel", "--duration=4", "--concurrency=4")
    assert process.stdout is not None
    assert process.stdout.readline().endswith("by 4 connections for 4 s\n")
    for part in [equipped.master, *equipped.master.children(recursive=True)]:
        part.kill()
    ended = project_finish(process)
    assert ended.returncode == 1
    assert "connection refused" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["Nope"], "there is no model 'Nope' at ", id="model"),
        pytest.param([], "cannot understand ''; see --help", id="nothing"),
        pytest.param(["XXXModel", "--fast"], "cannot understand 'XXXModel --fast'", id="option"),
        pytest.param(["XXXModel", "--rate=many"], "--rate=many: allowed is a number", id="rate"),
        pytest.param(
            ["XXXModel", "--concurrency=0"], "--concurrency=0: allowed is a whole", id="connections"
        ),
        pytest.param(["XXXModel", "--input=/none"], "/none: No such file or", id="file"),
        pytest.param(
            ["XXXModel", "--url=http://127.0.0.1:1"], "no service answers at http", id="url"
        ),
    ],
)
@pytest.mark.usefixtures("service")
def test_load_says_in_a_line_what_is_wrong(
    equipped: Project, arguments: list[str], message: str
) -> None:
    ended = load(equipped, *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"load: {message}")
    assert ended.stderr.count("\n") == 1


def test_load_without_a_service_says_how_to_start_one(equipped: Project) -> None:
    ended = load(equipped, "XXXModel")
    assert ended.returncode == 1
    assert ended.stderr == "load: no service runs in this folder: bin/start.sh, or --url=URL\n"
    assert free_port()
