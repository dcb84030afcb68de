"""bin/start.sh, status.sh, request-demo.sh and stop.sh, as the README has them typed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.calls import ANSWERS, three_calls
from tests.services.conftest import Installation
from tests.services.processes import (
    PATIENCE_S,
    clean_environment,
    free_port,
    living,
    signal_all,
    started,
    tree,
)
from tests.services.project import Project

# It inherits the orphans (PR_SET_CHILD_SUBREAPER), as init does, and leaves them unburied.
CARELESS_INIT = """
import ctypes, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
for script in sys.argv[1:]:
    subprocess.run([script], check=True)
"""


def test_start_of_a_fresh_project_installs_and_serves(installation: Installation) -> None:
    start = installation.start
    assert start.returncode == 0, start.stderr
    assert "making .venv ...\n" in start.stdout
    assert f"ready at {installation.url} (pid " in start.stdout
    assert (
        "  curl -H 'Content-Type: application/json' -d '{\"name\": \"Leo\"}' "
        f"{installation.url}/v1/XXXModel\n"
    ) in start.stdout


def test_start_of_a_fresh_project_installs_requirements_alone(project: Project) -> None:
    command = [project.python, "-m", "pip", "list", "--disable-pip-version-check"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "gunicorn" in listed
    assert "pytest" not in listed


def test_stop_of_a_fresh_project_says_so(installation: Installation) -> None:
    assert installation.stop.returncode == 0
    assert installation.stop.stdout == "stopped\n"


def test_start_called_twice_says_that_it_is_running(project: Project, service: str) -> None:
    again = project.run("start.sh")
    assert again.returncode == 0
    assert again.stdout == f"already running at {service} (pid {project.master.pid})\n"


def test_start_serves_at_its_curl_line(project: Project, service: str) -> None:
    assert three_calls(service) == ANSWERS
    assert (project.folder / "tmp/gunicorn.url").read_text() == f"{service}\n"


def test_request_demo_prints_status_and_body_of_three_calls(project: Project, service: str) -> None:
    demo = project.run("request-demo.sh")
    assert demo.returncode == 0, demo.stderr
    assert demo.stdout.splitlines() == [
        f"POST {service}/v1/XXXModel (no body)",
        '{"message":"No JSON object"}',
        "400",
        f"POST {service}/v1/XXXModel {{}}",
        '{"message":"\'name\' is a required property"}',
        "400",
        f'POST {service}/v1/XXXModel {{"name": "Leo"}}',
        '{"result":"Hello, Leo!"}',
        "200",
    ]


@pytest.mark.usefixtures("service")
def test_request_demo_goes_round_a_proxy(project: Project) -> None:
    environment = clean_environment(http_proxy="http://127.0.0.1:1", no_proxy="", NO_PROXY="")
    demo = project.finish(project.begin("request-demo.sh", environment))
    assert demo.returncode == 0, demo.stderr
    assert demo.stdout.splitlines()[2::3] == ["400", "400", "200"]


def test_request_demo_without_a_service_says_how_to_start_one(project: Project) -> None:
    demo = project.run("request-demo.sh")
    assert demo.returncode == 1
    assert demo.stderr == ("request-demo.sh: the service is not running: bin/start.sh starts it\n")


def test_status_of_a_ready_service_lists_its_models(project: Project, service: str) -> None:
    status = project.run("status.sh")
    assert status.returncode == 0
    assert status.stdout.startswith(f"running at {service} (pid ")
    assert f"  XXXModel         ready      {service}/v1/XXXModel\n" in status.stdout


def test_status_may_be_read_in_part(project: Project, service: str) -> None:
    command = f"'{project.folder}/bin/status.sh' | head -1"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert run.stdout.startswith(f"running at {service} ")
    assert run.stderr == ""


@pytest.mark.usefixtures("service")
def test_status_of_a_service_that_does_not_answer_ends_with_1(project: Project) -> None:
    signal_all(tree(project.master.pid), signal.SIGSTOP)
    status = project.run("status.sh")
    assert status.returncode == 1
    assert "not ready: the service did not answer" in status.stderr


def test_status_of_a_stopped_service_ends_with_3(project: Project) -> None:
    status = project.run("status.sh")
    assert status.returncode == 3
    assert status.stdout == "stopped\n"


@pytest.mark.usefixtures("service")
def test_stop_leaves_nothing_behind(project: Project) -> None:
    processes = tree(project.master.pid)
    stop = project.run("stop.sh")
    assert (stop.returncode, stop.stdout) == (0, "stopped\n")
    assert len(processes) > 1
    assert living(processes) == []
    assert not project.pid_file.exists()


def test_stop_notices_the_end_where_init_asks_for_no_exit(project: Project) -> None:
    """So it is in a container whose first process is `sleep infinity`."""
    scripts = [str(project.folder / "bin" / name) for name in ("start.sh", "stop.sh")]
    ended = subprocess.run(
        [project.python, "-c", CARELESS_INIT, *scripts],
        env=clean_environment(PORT=str(free_port()), GRACEFUL_TIMEOUT_S="60"),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("stopped\n")


def test_stop_without_a_service_says_so(project: Project) -> None:
    stop = project.run("stop.sh")
    assert stop.returncode == 0
    assert stop.stdout == "not running\n"


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("content", ["{dead}", "", "no number", "1"])
def test_stop_removes_a_stale_pid_file(project: Project, dead_pid: int, content: str) -> None:
    project.pid_file.write_text(content.format(dead=dead_pid))
    stop = project.run("stop.sh")
    assert (stop.returncode, stop.stdout) == (0, "not running\n"), stop.stderr
    assert not project.pid_file.exists()


@pytest.mark.parametrize("script", ["stop.sh", "status.sh", "start.sh"])
def test_script_spares_another_program_of_the_recorded_pid(
    project: Project, tmp_path: Path, script: str
) -> None:
    """A pid file may outlive a reboot; its number then belongs to anybody, in this folder too."""
    command = ["tail", "-f", "/dev/null"]
    with started(command, project.folder, dict(os.environ), tmp_path / "output") as other:
        project.pid_file.write_text(str(other.pid))
        ended = project.run(script, PORT="none")
        assert other.poll() is None
        assert "running at" not in ended.stdout


@pytest.mark.parametrize("script", ["start.sh", "stop.sh", "status.sh", "reload.sh"])
def test_script_refuses_arguments_that_it_would_ignore(project: Project, script: str) -> None:
    command = [str(project.folder / "bin" / script), "--port", "8000"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == f"{script}: takes no arguments; " + (
        "settings come from the environment: PORT=8000 bin/start.sh\n"
    )


def test_script_called_by_another_shell_runs_in_its_own(project: Project) -> None:
    command = ["sh", str(project.folder / "bin" / "status.sh")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (3, "stopped\n", "")
