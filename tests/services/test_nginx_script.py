"""bin/nginx.sh: how it starts, how it ends, and where it cannot start."""

import os
import signal
import socket
import subprocess
from contextlib import ExitStack

import pytest

from tests.services.calls import ANSWERS, client, three_calls
from tests.services.nginx import NGINX, answering, answers, needs_nginx, nginx
from tests.services.processes import clean_environment, free_port, living, tree
from tests.services.project import Project

pytestmark = needs_nginx
NOBODY_THERE = "127.0.0.1:1"
NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def test_nginx_fronts_the_running_service_with_its_settings(project: Project) -> None:
    start = project.run("start.sh", PORT=str(free_port()), MAX_CONTENT_LENGTH="1000")
    assert start.returncode == 0, start.stderr
    with nginx(project) as server:
        assert three_calls(f"{server.url}/api") == ANSWERS
        assert f"nginx at {server.url}, in front of 127.0.0.1:" in server.output()
        with client(server.url) as caller:
            refused = caller.post("/api/v1/XXXModel", json={"name": "a" * 1000})
    assert refused.status_code == 413
    assert refused.json() == {"message": "The body is too large: the limit is 1000 bytes"}
    assert not answers(server.url)


def test_nobody_there_is_told_in_json(project: Project) -> None:
    with nginx(project, NOBODY_THERE, "127.0.0.1:2") as server, client(server.url) as caller:
        answer = caller.post("/api/v1/XXXModel", headers={"X-Request-ID": "order-4711"})
    assert (answer.status_code, answer.json()) == (502, {"message": "The service is not running"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == "order-4711"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_nginx_runs_as_an_ordinary_user(project: Project) -> None:
    """Not the script, as Python may be installed where only root may look."""
    with nginx(project, NOBODY_THERE) as server:
        port = int(server.url.rpartition(":")[2])
    subprocess.run(["chown", "-R", str(NOBODY), project.folder / "tmp/nginx"], check=True)
    program = [str(NGINX), "-p", str(project.folder), "-e", "tmp/nginx/error.log"]
    command = [*AS_NOBODY, *program, "-c", "tmp/nginx/nginx.conf", "-g", "daemon off;"]
    with answering(command, port, dict(os.environ)) as server, client(server.url) as caller:
        assert {one.uids().real for one in tree(server.process.pid)} == {NOBODY}
        assert "Examples" in caller.get("/").text
        large = caller.post("/api/v1/XXXModel", content=b" " * 1_000_000)
        assert large.json() == {"message": "The service is not running"}
        assert server.output() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_stopped_nginx_leaves_nothing_behind(project: Project, number: signal.Signals) -> None:
    with nginx(project, NOBODY_THERE) as server:
        processes = tree(server.process.pid)
        assert len(processes) > 1
        server.process.send_signal(number)
        assert server.process.wait() == 0
        assert server.output().count("\n") == 1
    assert living(processes) == []
    left = [path.name for path in (project.folder / "tmp/nginx").rglob("*") if path.is_file()]
    assert sorted(left) == ["access.log", "error.log", "nginx.conf"]


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        pytest.param({}, "the service is not running: bin/start.sh", id="no service"),
        pytest.param({"UPSTREAMS": "a:1 9999"}, "'9999' is no host:port", id="no address"),
        pytest.param({"UPSTREAMS": " "}, "UPSTREAMS names no instance", id="no instance"),
        pytest.param(
            {"UPSTREAMS": "nowhere.invalid:1"}, "host not found in upstream", id="unknown host"
        ),
        pytest.param(
            {"UPSTREAMS": NOBODY_THERE, "NGINX_PORT": "http"}, "NGINX_PORT = 'http'", id="no port"
        ),
        pytest.param(
            {"UPSTREAMS": NOBODY_THERE, "NGINX_PORT": "{taken}"},
            "cannot listen on 127.0.0.1:{taken}: Address already in use",
            id="taken port",
        ),
    ],
)
def test_nginx_that_cannot_start_says_why(
    project: Project, environment: dict[str, str], reason: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        given = {key: value.format(taken=taken) for key, value in environment.items()}
        script = project.begin(
            "nginx.sh", clean_environment() | {"NGINX_HOST": "127.0.0.1"} | given
        )
        ended = project.finish(script)
    assert ended.returncode == 1
    assert ended.stderr.startswith("nginx.sh: ")
    assert reason.format(taken=taken) in ended.stderr.splitlines()[0]
    assert project.processes() == []


def test_second_nginx_of_a_folder_is_refused(project: Project) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(nginx(project, NOBODY_THERE))
        second = project.run("nginx.sh")
        assert second.stderr == f"nginx.sh: already running (pid {server.process.pid})\n"
        assert answers(server.url)
