"""A running service and what may happen to it: new code, broken code, a killed worker."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.services.calls import client, greeting
from tests.services.processes import free_port, is_ready, wait_until
from tests.services.project import Project

MODEL = "model_serving/models/xxx_model.py"
ECHO_MODEL = "model_serving/models/echo_model.py"
RESOURCE = "model_serving/resources/xxx_model_resource.py"
OLD_GREETING, NEW_GREETING = "Hello, Leo!", "Good day, dear Leo!"


@contextmanager
def new_version(project: Project) -> Iterator[None]:
    """Change a model's code, its settings, and what its resource expects of it."""
    with (
        project.edited(MODEL, "{self.greeting}, {name}!", "{self.greeting}, dear {name}!"),
        project.edited("conf/xxx_model.conf", "greeting = Hello", "greeting = Good day"),
        project.edited(RESOURCE, 'Hello, Leo!"}),)', f'{NEW_GREETING}"}}),)'),
    ):
        yield


class Caller(threading.Thread):
    """Calls the model again and again, each time by a new connection."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.answers: list[str] = []
        self.failures: list[str] = []
        self.leaving = threading.Event()

    def run(self) -> None:
        with client(self.url) as caller:
            while not self.leaving.is_set():
                try:
                    response = caller.post(
                        "/v1/XXXModel", json={"name": "Leo"}, headers={"Connection": "close"}
                    )
                    self.answers.append(response.raise_for_status().json()["result"])
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))

    def __enter__(self) -> "Caller":
        self.start()
        wait_until(lambda: len(self.answers) > 10, "the first calls are answered")
        return self

    def __exit__(self, *_: object) -> None:
        self.leaving.set()
        self.join()


def test_reload_brings_in_new_code_and_settings(project: Project, service: str) -> None:
    master = project.master
    with new_version(project):
        reload = project.run("reload.sh")
    assert reload.returncode == 0, reload.stderr
    assert reload.stdout.endswith("reloaded\n")
    assert greeting(service) == NEW_GREETING
    assert project.master == master


def test_reload_fails_no_request(project: Project, http_worker: str) -> None:
    port = free_port()
    start = project.run("start.sh", PORT=str(port), HTTP_WORKER=http_worker)
    assert start.returncode == 0, start.stderr
    with new_version(project), Caller(f"http://127.0.0.1:{port}") as caller:
        assert project.run("reload.sh").returncode == 0
        seen = len(caller.answers)
        wait_until(lambda: len(caller.answers) > seen + 10, "calls are answered after the reload")
    assert caller.failures == []
    assert set(caller.answers) == {OLD_GREETING, NEW_GREETING}
    assert set(caller.answers[seen + 1 :]) == {NEW_GREETING}


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        pytest.param(MODEL, "", "\ndef broken(:\n", "SyntaxError", id="syntax error"),
        pytest.param(
            MODEL,
            "self.greeting = greeting",
            'raise RuntimeError("the weights are missing")',
            "XXXModel: RuntimeError: the weights are missing",
            id="model raises",
        ),
        pytest.param(
            "conf/xxx_model.conf",
            "greeting = Hello",
            "greetings = Hello",
            "XXXModel has no setting 'greetings'",
            id="wrong setting",
        ),
        pytest.param(
            "conf/gunicorn.conf.py", "", "\ndef broken(:\n", "SyntaxError", id="gunicorn settings"
        ),
    ],
)
def test_reload_refuses_a_broken_version_and_keeps_the_old_one(
    project: Project, service: str, file: str, old: str, new: str, reason: str
) -> None:
    with project.edited(file, old, new):
        reload = project.run("reload.sh")
        assert reload.returncode == 1
        assert reason in reload.stderr
        assert "reload.sh: the new version is refused; the old one keeps serving" in reload.stderr
        assert greeting(service) == OLD_GREETING
    assert project.run("status.sh").returncode == 0


def test_reload_refuses_a_model_that_is_just_tried_again(
    project: Project, service: str, tmp_path: Path
) -> None:
    """It has failed before the last model is loaded, and loads once more by then."""
    failed, again = tmp_path / "failed", tmp_path / "again"
    fails = f"""
        from pathlib import Path
        if Path({str(failed)!r}).exists():
            Path({str(again)!r}).touch()
            time.sleep(1000)
        Path({str(failed)!r}).touch()
        raise RuntimeError("the weights are missing")"""
    waits = f"""

    def __init__(self):
        from pathlib import Path
        import time
        while not Path({str(again)!r}).exists():
            time.sleep(0.1)
"""
    with (
        project.edited(MODEL, "self.greeting = greeting", f"import time{fails}"),
        project.edited(ECHO_MODEL, "", waits),
    ):
        reload = project.run("reload.sh")
    assert "XXXModel: RuntimeError: the weights are missing" in reload.stderr
    assert reload.returncode == 1
    assert greeting(service) == OLD_GREETING


def test_reload_refuses_a_new_address_and_keeps_the_old_one(project: Project) -> None:
    """The scripts and the callers know the old one, and the new one may be taken."""
    old, new = free_port(), free_port()
    with project.edited("conf/serving.conf", "# port = 9999", f"port = {old}"):
        assert project.run("start.sh").returncode == 0
        with project.edited("conf/serving.conf", f"port = {old}", f"port = {new}"):
            reload = project.run("reload.sh", START_TIMEOUT_S="10")
            assert reload.returncode == 1
            assert f"http://127.0.0.1:{new}" in reload.stderr
            assert greeting(f"http://127.0.0.1:{old}") == OLD_GREETING
        assert project.run("status.sh").returncode == 0


def test_reload_counts_the_environment_of_the_start(project: Project, service: str) -> None:
    with new_version(project):
        reload = project.run("reload.sh", THREADS="many", PORT=str(free_port()))
    assert reload.returncode == 0, reload.stderr
    assert greeting(service) == NEW_GREETING


def test_reload_without_a_service_says_so(project: Project) -> None:
    reload = project.run("reload.sh")
    assert reload.returncode == 1
    assert reload.stderr == "reload.sh: not running\n"


def test_service_replaces_a_killed_worker(project: Project, service: str) -> None:
    master = project.master
    worker = next(child for child in master.children() if child.cmdline() == master.cmdline())
    worker.kill()
    wait_until(
        lambda: worker not in master.children() and len(master.children()) == 2,
        "there is a new worker beside the supervisor",
    )
    assert is_ready(service)
    assert greeting(service) == OLD_GREETING
