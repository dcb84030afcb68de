"""The service as its users have it: a copy of the project, installed by its own script."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.faulty.service import FaultyService
from tests.services.lanes import LANES, LIMIT_BYTES, lane_service
from tests.services.processes import free_port
from tests.services.project import Project, copy_project


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
    """The installed project, with nothing running before the test and after it."""
    installation.project.end()
    yield installation.project
    installation.project.end()


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
        yield {
            lane: stack.enter_context(
                lane_service(
                    tmp_path_factory.mktemp(lane), lane, MAX_CONTENT_LENGTH=str(LIMIT_BYTES)
                )
            )
            for lane in LANES
        }


@pytest.fixture(params=LANES)
def served(request: pytest.FixtureRequest, lanes: dict[str, FaultyService]) -> FaultyService:
    """One of them after the other."""
    return lanes[request.param]
