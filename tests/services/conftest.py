"""The service as its users have it: a copy of the project, installed by its own script."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.services.faulty.service import FaultyService
from tests.services.lanes import LANES, LIMIT_BYTES, lane_service
from tests.services.processes import (
    PATIENCE_S,
    clean_environment,
    free_port,
    running,
    wait_until,
    works_on_jobs,
)
from tests.services.project import ROOT, Project, copy_project

SCREENSHOTS = ROOT / "tmp/screenshots"
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
QUICK = ("XXXModel", "EchoModel", "DigitsModel", "CompressModel")
THIS_MACHINE_ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@dataclass(frozen=True)
class Installation:
    """A project that was started once, and how that went."""

    project: Project
    url: str
    start: subprocess.CompletedProcess[str]
    stop: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def fresh_project() -> Iterator[Project]:
    """A copy without an environment, in a folder with a space that every user may enter."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        yield copy_project(Path(parent).resolve() / "my project")


@pytest.fixture(scope="session")
def installation(fresh_project: Project) -> Iterator[Installation]:
    """The copy after its first ``bin/start.sh`` and ``bin/stop.sh``."""
    port = free_port()
    try:
        start = fresh_project.run("start.sh", PORT=str(port))
        stop = fresh_project.run("stop.sh")
        subprocess.run(["chmod", "-R", "a+rX", fresh_project.folder], check=True)
        yield Installation(fresh_project, f"http://127.0.0.1:{port}", start, stop)
    finally:
        fresh_project.end()


@pytest.fixture(scope="session", params=LANES)
def http_worker(request: pytest.FixtureRequest) -> str:
    """How the HTTP workers answer: ``HTTP_WORKER``."""
    return str(request.param)


@pytest.fixture
def project(installation: Installation) -> Iterator[Project]:
    """The installed project, with nothing running before the test and after it.

    Without the two models that take seconds to load.
    """
    project = installation.project
    project.end()
    with project.serving(*QUICK):
        yield project
        project.end()


@pytest.fixture
def service(project: Project) -> str:
    """The URL of the installed project's service, running in the background."""
    port = free_port()
    started = project.run("start.sh", PORT=str(port))
    assert started.returncode == 0, started.stderr
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, FaultyService]]:
    """The service on each lane, side by side, with the same models."""
    with ExitStack() as stack:
        services = {
            lane: stack.enter_context(
                lane_service(
                    tmp_path_factory.mktemp(lane), lane, MAX_CONTENT_LENGTH=str(LIMIT_BYTES)
                )
            )
            for lane in LANES
        }
        for service in services.values():  # Whose /readyz would not be the same until then.
            wait_until(partial(works_on_jobs, service.url), "the worker of jobs has begun")
        yield services


@pytest.fixture(params=LANES)
def served(request: pytest.FixtureRequest, lanes: dict[str, FaultyService]) -> FaultyService:
    """One of them after the other."""
    return lanes[request.param]


@pytest.fixture(scope="module")
def url(fresh_project: Project) -> Iterator[str]:
    """The URL of a service for the tests of a module, as gunicorn runs it."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "conf/gunicorn.conf.py"]
    environment = clean_environment(PORT=str(port))
    with running(command, port, fresh_project.folder, environment) as server:
        yield server.url


@pytest.fixture(scope="module")
def browser(url: str) -> Iterator[Browser]:  # noqa: ARG001
    """A browser, which ends before the service, as that would wait for its connections."""
    chromium = shutil.which("chromium")
    if chromium is None and not os.environ.get("CI"):
        pytest.skip("chromium is missing")
    assert chromium, "chromium is missing, and CI must not skip this"
    arguments = [*QUIET.split(), THIS_MACHINE_ALONE]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def elsewhere() -> list[str]:
    """The requests of the page that were meant for other machines."""
    return []


@pytest.fixture
def page(browser: Browser, elsewhere: list[str]) -> Iterator[Page]:
    """A page, which is left to itself: Playwright would answer a preflight on its way."""

    def note(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in {"http", "https"} and address.hostname != "127.0.0.1":
            elsewhere.append(request.url)

    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.set_default_timeout(PATIENCE_S * 1000)
    expect.set_options(timeout=PATIENCE_S * 1000)
    page.on("request", note)
    yield page
    page.close()
