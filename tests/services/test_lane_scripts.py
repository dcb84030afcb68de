"""The two lanes: the scripts run either, and a reload goes from one to the other."""

import subprocess
from pathlib import Path

import pytest

from tests.services.calls import ANSWERS, client, three_calls
from tests.services.processes import (
    PATIENCE_S,
    clean_environment,
    free_port,
    is_ready,
    living,
    started,
    tree,
    wait_until,
)
from tests.services.project import Project

# The headers `Server`.
MARKS = {"asgi": "gunicorn/asgi", "gthread": "gunicorn"}


def mark(url: str) -> str:
    """Tell by which worker a service answers."""
    with client(url) as caller:
        return caller.get("/healthz").headers["Server"]


def test_scripts_run_either_lane(project: Project, http_worker: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    start = project.run("start.sh", PORT=str(port), HTTP_WORKER=http_worker, WORKERS="2")
    assert start.returncode == 0, start.stderr
    assert (mark(url), three_calls(url)) == (MARKS[http_worker], ANSWERS)
    reload = project.run("reload.sh")
    assert reload.returncode == 0, reload.stderr
    assert (mark(url), three_calls(url)) == (MARKS[http_worker], ANSWERS)
    status = project.run("status.sh")
    assert (status.returncode, "workers: 2" in status.stdout) == (0, True)
    processes = tree(project.master.pid)
    assert project.run("stop.sh").stdout == "stopped\n"
    assert living(processes) == []


@pytest.mark.parametrize(
    ("old", "new"), [("asgi", "gthread"), ("gthread", "asgi")], ids=["to gthread", "to asgi"]
)
def test_reload_changes_the_lane(project: Project, old: str, new: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    lane = "[serving]\nhttp_worker = {}"
    with project.edited("conf/serving.conf", "[serving]", lane.format(old)):
        assert project.run("start.sh", PORT=str(port)).returncode == 0
        assert mark(url) == MARKS[old]
    with project.edited("conf/serving.conf", "[serving]", lane.format(new)):
        reload = project.run("reload.sh")
    assert reload.returncode == 0, reload.stderr
    assert (mark(url), three_calls(url)) == (MARKS[new], ANSWERS)


def test_application_on_the_command_line_chooses_the_lane(project: Project, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    line = [project.python, "-m", "gunicorn", "--config", "conf/gunicorn.conf.py", "main:app"]
    with started(line, project.folder, clean_environment(PORT=str(port)), tmp_path / "printed"):
        wait_until(lambda: is_ready(url), f"{url} answers")
        assert (mark(url), three_calls(url)) == (MARKS["gthread"], ANSWERS)


def test_application_that_is_not_known_ends_the_start(project: Project) -> None:
    ended = subprocess.run(
        [project.python, "-m", "gunicorn", "--config", "conf/gunicorn.conf.py", "main:serve"],
        cwd=project.folder,
        env=clean_environment(PORT=str(free_port())),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode != 0
    assert "not 'main:serve', but main:asgi or main:app is served" in ended.stderr
