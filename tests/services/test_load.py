"""bin/load measures a running service, and says what is wrong with a call of it."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.conftest import Installation
from tests.services.processes import clean_environment, free_port, signal_all, tree
from tests.services.project import Project

LINES = ["requests", "throughput", "latency", "status", "lost"]


@pytest.fixture(scope="module")
def equipped(installation: Installation) -> Project:
    """The installed project, with what bin/load needs."""
    installation.project.lend_environment(".venv-test", "tests/requirements.txt")
    return installation.project


@pytest.fixture(scope="module")
def served(equipped: Project) -> Iterator[Project]:
    """The same with a service, for the tests that leave it as it is."""
    equipped.end()
    assert equipped.run("start.sh", PORT=str(free_port())).returncode == 0
    yield equipped
    equipped.end()


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


def test_load_of_a_model_by_its_examples_adds_up(served: Project) -> None:
    ended = load(served, "XXXModel", "--duration=2", "--concurrency=4")
    assert (ended.returncode, ended.stderr) == (0, "")
    report = figures(ended.stdout)
    count = int(report["requests"].split()[0])
    assert count >= 4
    assert (report["status"], report["lost"]) == (f"{count} x 200", "0")


def test_load_at_a_rate_sends_the_bodies_of_a_file(served: Project, tmp_path: Path) -> None:
    file = tmp_path / "bodies.jsonl"
    file.write_text('{"name": "Leo"}\n{"name": 5}\n')
    ended = load(served, "XXXModel", f"--input={file}", "--rate=50", "--duration=2")
    assert ended.returncode == 0, ended.stderr
    counted = statuses(ended.stdout)
    assert counted.keys() == {200, 400}
    match = re.fullmatch(r"(\d+) in (.*) s", figures(ended.stdout)["requests"])
    assert match
    sent, seconds = match.groups()
    assert int(sent) == sum(counted.values())
    # Where it was held up, it asks on until it is told of the end.
    assert 100 <= int(sent) <= 50 * float(seconds) + 4


def test_load_interrupted_tells_the_figures_so_far(served: Project) -> None:
    process = begin(served, "XXXModel", "--duration=600", "--progress")
    assert process.stderr is not None
    # The bar is drawn over itself: there are no ends of lines, so it is read by pieces.
    seen = ""
    while not re.search(r"XXXModel: +[1-9]\d* requests/s, +\d+ s left", seen):
        seen += process.stderr.read(40)
        assert process.poll() is None, seen
    process.send_signal(signal.SIGINT)
    ended = Project.finish(process)
    assert ended.returncode == 0
    assert statuses(ended.stdout)[200] > 0


def test_load_of_an_unknown_model_names_those_that_there_are(served: Project) -> None:
    ended = load(served, "Nope")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"load: there is no model 'Nope' at .*: XXXModel, .*\n", ended.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
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
def test_load_says_in_a_line_what_is_wrong(
    equipped: Project, arguments: list[str], message: str
) -> None:
    ended = load(equipped, *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"load: {message}")
    assert ended.stderr.count("\n") == 1


def test_load_ends_with_1_if_something_is_lost(served: Project) -> None:
    process = begin(served, "XXXModel", "--duration=8", "--concurrency=4")
    assert process.stdout is not None
    assert process.stdout.readline().endswith("by 4 connections for 8 s\n")
    signal_all(tree(served.master.pid), signal.SIGKILL)
    ended = Project.finish(process)
    assert ended.returncode == 1
    assert "connection refused" in ended.stdout


def test_load_without_a_service_says_how_to_start_one(equipped: Project) -> None:
    equipped.end()
    ended = load(equipped, "XXXModel")
    assert ended.returncode == 1
    assert ended.stderr == "load: no service runs in this folder: bin/start.sh, or --url=URL\n"
