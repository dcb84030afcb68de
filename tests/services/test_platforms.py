"""App Engine's and Heroku's ways to run the service, on their terms."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from tests.services.calls import ANSWERS, client, three_calls
from tests.services.processes import Server, clean_environment, free_port, living, running, tree
from tests.services.project import Project

# Root may write wherever it likes, unless it gives that up.
WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set=-dac_override,-fowner"] if os.geteuid() == 0 else []


def platform_environment(project: Project, port: int) -> dict[str, str]:
    """What a platform gives: its port, and a PATH that starts with the installed environment."""
    path = os.pathsep.join([str(project.folder / ".venv/bin"), os.environ["PATH"]])
    return clean_environment(PORT=str(port), PATH=path)


def copy_upload(project: Project, target: Path, tmp_path: Path) -> None:
    """Copy what `gcloud app deploy` would upload; .gcloudignore is written as .gitignore is."""
    repository = tmp_path / "empty.git"
    subprocess.run(["git", "init", "--quiet", "--bare", repository], check=True)
    listed = subprocess.run(
        ["git", "--work-tree=.", "ls-files", "--others", "--exclude-from=.gcloudignore", "-z"],
        env=os.environ | {"GIT_DIR": str(repository)},
        cwd=project.folder,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project.folder / name, target / name)


def contents(folder: Path) -> dict[str, int]:
    """Return all files and folders with the times of their last change."""
    return {str(path): path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


@pytest.fixture
def upload(project: Project, tmp_path: Path) -> Iterator[Path]:
    """The uploaded project, which nobody may write to."""
    folder = tmp_path / "upload"
    copy_upload(project, folder, tmp_path)
    subprocess.run(["chmod", "-R", "a=rX", folder], check=True)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)


@pytest.fixture
def app_engine(project: Project, upload: Path) -> Iterator[Server]:
    """The service, run in the uploaded folder by the entrypoint of its app.yaml."""
    settings = yaml.safe_load((upload / "app.yaml").read_text(encoding="utf-8"))
    port = free_port()
    variables = {name: str(value) for name, value in settings["env_variables"].items()}
    environment = platform_environment(project, port) | variables | {"HOME": str(upload)}
    command = [*WITHOUT_PRIVILEGE, "sh", "-c", settings["entrypoint"]]
    with running(command, port, upload, environment) as server:
        yield server


def test_upload_leaves_out_what_the_service_does_not_need(upload: Path) -> None:
    names = {path.name for path in upload.iterdir()}
    assert {"main.py", "model_serving", "conf", "requirements.txt", "app.yaml"} <= names
    assert not names & {"tests", "docs", "bin", "tmp", ".venv", ".git", "Procfile"}


def test_upload_cannot_be_written_to(upload: Path) -> None:
    """Without this the next test would show nothing."""
    attempt = subprocess.run([*WITHOUT_PRIVILEGE, "touch", upload / "file"], capture_output=True)
    assert attempt.returncode != 0
    assert b"Permission denied" in attempt.stderr


def test_app_engine_entrypoint_serves_from_a_read_only_folder(
    app_engine: Server, upload: Path
) -> None:
    before = contents(upload)
    assert three_calls(app_engine.url) == ANSWERS
    assert contents(upload) == before
    assert "no log file, console alone" in app_engine.output()


def test_app_engine_entrypoint_answers_the_warm_up_request(app_engine: Server) -> None:
    with client(app_engine.url) as caller:
        response = caller.get("/_ah/warmup")
    assert response.status_code == 200
    assert response.json() == {"status": "ready"}


def test_app_engine_entrypoint_writes_to_the_temporary_folder_alone(app_engine: Server) -> None:
    processes = tree(app_engine.process.pid)
    written = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # Of those that load the models, one ends then.
            written += [file for file in process.open_files() if file.mode != "r"]
    temporary = tempfile.gettempdir()
    assert [file.path for file in written if not file.path.startswith(temporary)] == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder that is empty and can be written to."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def heroku(project: Project, home: Path) -> Iterator[Server]:
    """The service, run by its Procfile."""
    port = free_port()
    environment = platform_environment(project, port) | {"HOME": str(home)}
    command = [sys.executable, "-m", "honcho", "start", "-f", "Procfile"]
    with running(command, port, project.folder, environment) as server:
        yield server


def test_procfile_serves(heroku: Server) -> None:
    assert three_calls(heroku.url) == ANSWERS


def test_procfile_ends_with_all_its_processes_on_term(heroku: Server) -> None:
    processes = tree(heroku.process.pid)
    heroku.process.terminate()
    heroku.process.wait()
    assert len(processes) >= 3  # honcho, gunicorn's master, its worker
    assert living(processes) == []


def test_procfile_leaves_nothing_in_the_home_folder(heroku: Server, home: Path) -> None:
    """A library that keeps a cache there, or an identity for reports, is to be told not to."""
    assert three_calls(heroku.url) == ANSWERS
    assert [path.name for path in home.rglob("*")] == []
