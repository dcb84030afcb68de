"""Uploads that are refused, by a running service, leave nothing behind."""

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.services.faulty.service import GUNICORN
from tests.services.lanes import LANES
from tests.services.processes import (
    PATIENCE_S,
    Server,
    clean_environment,
    free_port,
    running,
    tree,
    wait_until,
    works_on_jobs,
)
from tests.services.project import Project, copy_project
from tests.services.raw import Raw, request

BOUNDARY = "abc"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(1_000_000)  # So large that it is parsed into a file.
LIMIT_BYTES = 2_000_000
OWN = re.compile(
    "/data/(broker|workers|jobs.db)|/__pycache__|[.]db$|/jobs[.](json|new)|[.]figures$|/calls$"
)


@dataclass(frozen=True)
class Uploads:
    """A service, and the folders in which it might leave something."""

    server: Server
    folder: Path
    project: Project

    def left(self) -> set[str]:
        """Return what is in the folders now, and what is open without a name."""
        found = [*self.folder.rglob("*"), *self.project.folder.rglob("*")]
        files = {str(path) for path in found if path.suffix != ".log"}
        # The processes keep these for themselves, whatever is asked.
        files = {file for file in files if not OWN.search(file)}
        return files | {
            link
            for process in tree(self.server.process.pid)
            for link in _links(process)
            if link.startswith(str(self.folder)) and link.endswith("(deleted)")
        }


def _links(process: psutil.Process) -> Iterator[str]:
    try:
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            yield str(link.readlink())
    except FileNotFoundError:  # It was closed meanwhile.
        return


@pytest.fixture(scope="module", params=LANES)
def uploads(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Uploads]:
    port = free_port()
    project = copy_project(tmp_path_factory.mktemp("uploads") / "project")
    with tempfile.TemporaryDirectory() as temporary:
        settings = {
            "PORT": str(port),
            "HTTP_WORKER": request.param,
            "TMPDIR": temporary,
            "ASSETS_DIR": f"{temporary}/assets",
            "LOG_DIR": f"{temporary}/log",
            "MAX_FILE_BYTES": str(LIMIT_BYTES),
            "MAX_FILES": "2",
        }
        command = [sys.executable, *GUNICORN]
        environment = clean_environment(**settings)
        with running(command, port, project.folder, environment) as server:
            wait_until(lambda: works_on_jobs(server.url), "the worker of jobs has begun")
            yield Uploads(server, Path(temporary), project)


@contextmanager
def nothing_left(uploads: Uploads) -> Iterator[None]:
    """Hold the block to leave everything as it was."""
    before = uploads.left()
    yield
    wait_until(lambda: uploads.left() == before, "nothing is left")


def part(name: str, data: bytes, file_name: str = "a.png") -> bytes:
    disposition = f'form-data; name="{name}"; filename="{file_name}"'
    return b"--%s\r\nContent-Disposition: %s\r\nContent-Type: image/png\r\n\r\n%s\r\n" % (
        BOUNDARY.encode(),
        disposition.encode("latin-1"),
        data,
    )


def form(*parts: bytes, end: bytes = b"--abc--\r\n") -> bytes:
    """Write a request with a form."""
    body = b"".join(parts) + end
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    length = f"Content-Length: {len(body)}"
    return request("POST /v1/CompressModel HTTP/1.1", None, kind, length) + body


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        pytest.param(
            form(part("the_file", PICTURE, "../../up.png")), 400, "is not allowed", id="name-up"
        ),
        pytest.param(
            form(part("the_file", PICTURE, "a\0.png")), 400, "is not allowed", id="name-nul"
        ),
        pytest.param(form(part("other", PICTURE)), 400, "is not a file field", id="unexpected"),
        pytest.param(form(end=b"--abc--\r\n"), 400, "'the_file' is a required", id="missing"),
        pytest.param(form(part("the_file", b"x" * 10**6)), 400, "of the type image/*", id="type"),
        pytest.param(form(part("the_file", PICTURE)), 400, "it cannot be read", id="broken"),
        pytest.param(
            form(part("the_file", PICTURE), end=b""), 400, "The form cannot be", id="without-an-end"
        ),
        pytest.param(form(*[part("the_file", PICTURE)] * 3), 413, "more files than", id="too-many"),
        pytest.param(
            form(part("the_file", PICTURE + bytes(10**6))), 413, "is a file of more", id="too-large"
        ),
    ],
)
def test_bad_upload_is_refused_and_leaves_nothing(
    uploads: Uploads, sent: bytes, status: int, says: str
) -> None:
    with nothing_left(uploads), Raw(uploads.server.url, sent) as raw:
        answer = raw.answer()
        assert answer.status == status
        assert says in answer.json["message"]


def test_upload_that_breaks_off_leaves_nothing(uploads: Uploads) -> None:
    sent = form(part("the_file", PICTURE))
    with nothing_left(uploads), Raw(uploads.server.url, sent[:-500_000]):
        pass


def test_broken_base64_is_refused_and_leaves_nothing(uploads: Uploads) -> None:
    body = {"the_file": "iVBORw0KGgo" + "A" * 10**6 + "*"}
    with nothing_left(uploads):
        url = f"{uploads.server.url}/v1/CompressModel"
        answer = httpx.post(url, json=body, timeout=PATIENCE_S, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["message"] == "'the_file' is not base64 text"
