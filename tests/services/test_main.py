"""`python main.py`: its command line, and the order in which settings count."""

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from model_serving import __version__
from tests.services.calls import ANSWERS, three_calls
from tests.services.processes import PATIENCE_S, clean_environment, free_port, running
from tests.services.project import Project

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_main(project: Project, tmp_path: Path) -> Run:
    """Run main.py from another folder, for as long as it takes to end by itself."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [project.python, str(project.folder / "main.py"), *arguments],
            cwd=tmp_path,
            env=clean_environment(**settings),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    return run


@pytest.mark.parametrize(
    ("arguments", "settings", "reason"),
    [
        pytest.param(["--port", "http"], {}, "port = 'http'", id="port is a word"),
        pytest.param(["--port", "70000"], {}, "from 1 to 65535", id="port out of range"),
        pytest.param(["--port", "0"], {}, "from 1 to 65535", id="port 0"),
        pytest.param(["--port"], {}, "--port", id="no port"),
        pytest.param(["--prot", "8000"], {}, "--prot", id="unknown option"),
        pytest.param(["serve"], {}, "serve", id="unknown word"),
        pytest.param(["--host", "no-such-host.invalid"], {}, "no-such-host", id="unknown host"),
        pytest.param(["--host", "192.0.2.1"], {}, "192.0.2.1", id="host of another machine"),
        pytest.param(["--host", ""], {}, "host = ''", id="empty host"),
        pytest.param([], {"PORT": "http"}, "the environment", id="environment: port"),
        pytest.param([], {"LOG_CONSOLE": "perhaps"}, "true or false", id="environment: boolean"),
    ],
)
def test_main_explains_a_wrong_start_in_one_line(
    run_main: Run, arguments: list[str], settings: dict[str, str], reason: str
) -> None:
    ended = run_main(*arguments, **{"PORT": str(free_port())} | settings)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert reason in ended.stderr


@pytest.mark.parametrize("options", [[], ["--debug"]], ids=["plain", "debug"])
def test_main_explains_a_taken_port_in_one_line(run_main: Run, options: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run_main("--port", str(port), *options)
    assert ended.returncode == 1
    assert ended.stderr == (f"main.py: cannot listen on 127.0.0.1:{port}: Address already in use\n")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_main_shows_its_help(run_main: Run, option: str) -> None:
    shown = run_main(option)
    assert shown.returncode == 0
    assert "main.py [--host <host>] [--port <port>] [--debug]" in shown.stdout


@pytest.mark.parametrize("option", ["-v", "--version"])
def test_main_shows_its_version(run_main: Run, option: str) -> None:
    shown = run_main(option)
    assert shown.returncode == 0
    assert shown.stdout == f"{__version__}\n"


def test_main_serves_in_debug_mode(project: Project, tmp_path: Path) -> None:
    port = free_port()
    command = [project.python, str(project.folder / "main.py"), "--port", str(port), "--debug"]
    with running(command, port, tmp_path, clean_environment()) as server:
        assert three_calls(server.url) == ANSWERS


@pytest.mark.parametrize(
    ("in_file", "in_environment", "on_command_line"),
    [
        pytest.param("right", None, None, id="file"),
        pytest.param("wrong", "right", None, id="environment over file"),
        pytest.param("wrong", "wrong", "right", id="command line over both"),
    ],
)
def test_main_takes_the_port_from_the_strongest_source(
    project: Project,
    tmp_path: Path,
    in_file: str,
    in_environment: str | None,
    on_command_line: str | None,
) -> None:
    ports = {"right": free_port(), "wrong": free_port()}
    settings = {"PORT": str(ports[in_environment])} if in_environment else {}
    arguments = ["--port", str(ports[on_command_line])] if on_command_line else []
    command = [project.python, str(project.folder / "main.py"), *arguments]
    with (
        project.edited("conf/serving.conf", "# port = 9999", f"port = {ports[in_file]}"),
        running(command, ports["right"], tmp_path, clean_environment(**settings)) as server,
    ):
        assert three_calls(server.url) == ANSWERS
