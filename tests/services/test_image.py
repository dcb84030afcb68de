"""The image of a container, played in a folder: what is copied into it is enough to serve."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.calls import ANSWERS, three_calls
from tests.services.processes import clean_environment, free_port, running
from tests.services.project import Project

DOCKERFILE = Path("conf/container/Dockerfile")
WITHOUT_PRIVILEGE = ["setpriv", "--bounding-set=-dac_override,-fowner"] if os.geteuid() == 0 else []


def instructions(project: Project, name: str) -> list[str]:
    """Return what follows on an instruction, each time that it is there."""
    text = (project.folder / DOCKERFILE).read_text(encoding="utf-8").replace("\\\n", "")
    return re.findall(rf"^{name} (.*)$", text, re.MULTILINE)


@pytest.fixture
def image(project: Project, tmp_path: Path) -> Iterator[Path]:
    """A folder with what the image would have; only data/workers may be written to."""
    folder = tmp_path / "image"
    folder.mkdir()
    for copied in instructions(project, "COPY"):
        pattern, target = copied.split()
        sources = list(project.folder.glob(pattern))
        assert sources, copied
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, folder / target)
            else:
                (folder / target).mkdir(exist_ok=True)
                shutil.copy(source, folder / target)
    subprocess.run(["chmod", "-R", "a=rX", folder], check=True)
    (folder / "data").chmod(0o755)
    (folder / "data/workers").mkdir(exist_ok=True)
    (folder / "data").chmod(0o555)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)


def environment(project: Project, tmp_path: Path, **settings: str) -> dict[str, str]:
    """Return what the container would be given, but for the servers."""
    path = os.pathsep.join([str(project.folder / ".venv/bin"), os.environ["PATH"]])
    assets, database = str(tmp_path / "assets"), f"sqlite:///{tmp_path}/jobs.db"
    broker = f"redis://127.0.0.1:{free_port()}"  # Nobody is there, which hinders no start.
    return clean_environment(
        PATH=path, ASSETS_DIR=assets, DATABASE_URL=database, BROKER_URL=broker, **settings
    )


def test_image_installs_the_optional_lines(project: Project) -> None:
    uncomment = instructions(project, "RUN")[0].partition(" >")[0]
    lines = subprocess.check_output(["sh", "-c", uncomment], cwd=project.folder, text=True)
    taken = {line.partition("==")[0] for line in lines.splitlines() if not line.startswith("#")}
    assert {"psycopg[binary]", "redis", "s3fs", "celery"} <= taken


def test_front_serves_from_the_image(project: Project, image: Path, tmp_path: Path) -> None:
    """In one process, which takes a third of the time."""
    [command] = map(json.loads, instructions(project, "CMD"))
    port = free_port()
    variables = environment(project, tmp_path, PORT=str(port), RUNTIME="in-process")
    with running([*WITHOUT_PRIVILEGE, *command], port, image, variables) as server:
        assert three_calls(server.url) == ANSWERS


def test_worker_starts_from_the_image(project: Project, image: Path, tmp_path: Path) -> None:
    """One setting is wrong, so that it ends once it has been imported and has read them."""
    worker = ["python", "-m", "model_serving.node"]
    variables = environment(project, tmp_path, WORKERS="none")
    ended = subprocess.run(
        [*WITHOUT_PRIVILEGE, *worker], cwd=image, env=variables, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "workers = 'none'" in ended.stderr
    for path in ("container/compose.yaml", "kubernetes/worker.yaml"):
        text = (project.folder / "conf" / path).read_text(encoding="utf-8")
        assert f"command: [{', '.join(worker)}]" in text
