"""bin/start.sh where it cannot start, or must not."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.services.calls import ANSWERS, three_calls
from tests.services.processes import clean_environment, free_port, living, started, wait_until
from tests.services.project import Project

MODEL = "model_serving/models/xxx_model.py"
LOADING = "self.greeting = greeting"
OLD_PYTHON = """#!/bin/sh
case $1 in
    --version) echo "Python 3.9.2" ;;
    *) exit 1 ;;
esac
"""


def assert_refused(project: Project, start: subprocess.CompletedProcess[str], reason: str) -> None:
    """The reason is on stderr, and nothing is left of the attempt."""
    assert start.returncode not in (0, None)
    assert reason in start.stderr
    assert project.processes() == []
    assert not project.pid_file.exists()


def test_start_at_a_taken_port_is_refused(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        start = project.run("start.sh", PORT=str(port))
    assert_refused(project, start, f"cannot listen on 127.0.0.1:{port}: Address already in use")


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        pytest.param(
            MODEL,
            LOADING,
            'raise RuntimeError("the weights are missing")',
            "start.sh: not ready: XXXModel: RuntimeError: the weights are missing",
            id="model raises",
        ),
        pytest.param(
            "model_serving/resources/xxx_model_resource.py",
            "",
            "\ndef broken(:\n",
            "SyntaxError",
            id="resource has a syntax error",
        ),
        pytest.param(
            "model_serving/resources/xxx_model_resource.py",
            '{"type": "string"}',
            '{"type": "text"}',
            "XXXModelResource: the schema is wrong at",
            id="schema is wrong",
        ),
        pytest.param(
            "conf/xxx_model.conf",
            "greeting = Hello",
            "greetings = Hello",
            "XXXModel has no setting 'greetings'",
            id="unknown setting of a model",
        ),
        pytest.param(
            "conf/xxx_model.conf",
            "timeout_s = 30",
            "timeout_s = long",
            "timeout_s = 'long'",
            id="wrong setting of a model",
        ),
        pytest.param(
            "conf/serving.conf",
            "[serving]",
            "[serving]\nthreads = many",
            "threads = 'many'",
            id="wrong setting",
        ),
    ],
)
def test_start_of_a_broken_project_is_refused(
    project: Project, file: str, old: str, new: str, reason: str
) -> None:
    with project.edited(file, old, new):
        start = project.run("start.sh", PORT=str(free_port()))
    assert_refused(project, start, reason)
    assert reason in start.stderr.splitlines()[-1]


def test_start_with_a_model_that_ends_its_process_is_refused(project: Project) -> None:
    with project.edited(MODEL, LOADING, "import os; os._exit(7)"):
        start = project.run("start.sh", PORT=str(free_port()))
    assert_refused(project, start, "XXXModel: it exited with code 7 while it loaded")


def test_start_with_a_wrong_environment_is_refused_in_one_line(project: Project) -> None:
    start = project.run("start.sh", PORT="http")
    assert start.stderr.count("\n") == 1
    assert_refused(project, start, "port = 'http' (from the environment)")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with all of the machine's programs except Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for source in map(Path, os.environ["PATH"].split(os.pathsep)):
        for program in source.iterdir() if source.is_dir() else []:
            link = folder / program.name
            if not (program.name.startswith("python") or link.is_symlink()):
                link.symlink_to(program)
    return folder


def test_start_without_python_is_refused(project: Project, tools: Path) -> None:
    start = project.run("start.sh", PATH=str(tools))
    assert start.stderr == "start.sh: python3 is missing: install Python 3.11 or newer\n"
    assert_refused(project, start, "python3 is missing")


def test_start_with_an_old_python_is_refused(project: Project, tools: Path) -> None:
    python = tools / "python3"
    python.write_text(OLD_PYTHON)
    python.chmod(0o755)
    start = project.run("start.sh", PATH=str(tools))
    assert start.stderr == "start.sh: Python 3.9.2 is too old: install Python 3.11 or newer\n"
    assert_refused(project, start, "too old")


def test_start_called_twice_at_once_starts_one_service(project: Project) -> None:
    port = free_port()
    environment = clean_environment(PORT=str(port))
    both = [project.begin("start.sh", environment) for _ in range(2)]
    ended = [project.finish(process) for process in both]
    assert [start.returncode for start in ended] == [0, 0], ended
    said = sorted(line for start in ended for line in start.stdout.splitlines() if " at " in line)
    place = f"at http://127.0.0.1:{port} (pid {project.master.pid})"
    assert said == [f"already running {place}", f"ready {place}"]


def test_start_after_a_killed_master_serves_again(project: Project, service: str) -> None:
    master = project.master
    master.kill()
    wait_until(lambda: not living([master]), "it is dead")
    start = project.run("start.sh", PORT=service.rpartition(":")[2])
    assert start.returncode == 0, start.stderr
    assert three_calls(service) == ANSWERS


@pytest.mark.parametrize("content", ["", "no number", "{other}"])
def test_start_ignores_a_stale_pid_file(project: Project, tmp_path: Path, content: str) -> None:
    """The number in it may by now be some other program's."""
    port = free_port()
    command = ["tail", "-f", "/dev/null"]
    with started(command, Path("/"), dict(os.environ), tmp_path / "output") as other:
        project.pid_file.write_text(content.format(other=other.pid))
        start = project.run("start.sh", PORT=str(port))
        assert start.returncode == 0, start.stderr
        assert project.run("stop.sh").stdout == "stopped\n"
        assert other.poll() is None
