"""bin/worker.sh runs a node without HTTP, and says why where it cannot."""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from model_serving.jobs.chunk import Chunk
from model_serving.jobs.desk import Desk
from model_serving.jobs.engine import Engine
from model_serving.jobs.record import open_record
from tests.jobs.work import found, new_job
from tests.services.processes import (
    clean_environment,
    free_port,
    living,
    started,
    tree,
    wait_until,
)
from tests.services.project import Project
from tests.services.small import small_project

NOBODY = "postgresql://somebody:s3cret@127.0.0.1:1/jobs"
LINE = Chunk(1, 1, b'{"name": "Leo"}\n')
READY = "node ready: models XXXModel\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with small_project(tmp_path_factory.mktemp("node") / "my project") as project:
        yield project


def test_node_works_reloads_and_ends_when_it_is_told(project: Project, tmp_path: Path) -> None:
    printed, command = tmp_path / "printed", [str(project.folder / "bin/worker.sh")]
    with started(command, Path("/"), clean_environment(), printed) as node:
        wait_until(lambda: READY in printed.read_text(), "the node is ready")
        record = open_record(f"sqlite:///{project.folder}/data/jobs.db")
        with closing(record):
            desk = Desk(record, Engine("filesystem://", project.folder / "data/broker"))
            job = desk.hand_in(
                [LINE], model="XXXModel", kind="many", format="jsonl", body_sha256=""
            ).job
            wait_until(lambda: found(record, job.id).state == "succeeded", "the job is done")
            assert list(record.results.outputs(job.id)) == [b'{"result":"Hello, Leo!"}\n']
        again = project.run("worker.sh")
        assert (again.returncode, again.stderr) == (
            1,
            "worker.sh: already running in this folder\n",
        )
        node.send_signal(signal.SIGHUP)
        wait_until(lambda: "the new version serves" in printed.read_text(), "it has reloaded")
        below = tree(node.pid)
        node.terminate()
        assert node.wait() == 0
        wait_until(lambda: living(below) == [], "nothing is left running")
    assert READY in (project.folder / "tmp/node.log").read_text()
    assert not (project.folder / "tmp/service.log").exists()


def test_node_whose_database_is_away_says_so_and_waits(project: Project, tmp_path: Path) -> None:
    printed, command = tmp_path / "printed", [str(project.folder / "bin/worker.sh")]
    with started(command, Path("/"), clean_environment(DATABASE_URL=NOBODY), printed) as node:
        told = "jobs wait for the database: The job database is not available\n"
        wait_until(
            lambda: told in printed.read_text() and READY in printed.read_text(), "it says so"
        )
        node.send_signal(signal.SIGINT)
        assert node.wait() == 0
    assert "database postgresql://127.0.0.1:1/jobs, broker filesystem://" in printed.read_text()
    assert "s3cret" not in printed.read_text()


def test_node_whose_broker_is_away_does_what_was_accepted(project: Project, tmp_path: Path) -> None:
    environment = clean_environment(BROKER_URL=f"redis://127.0.0.1:{free_port()}/0")
    command = [str(project.folder / "bin/worker.sh")]
    with (
        started(command, Path("/"), environment, tmp_path / "printed"),
        closing(open_record(f"sqlite:///{project.folder}/data/jobs.db")) as record,
    ):
        job = record.accept(new_job(), [LINE]).job
        wait_until(lambda: found(record, job.id).state == "succeeded", "the job is done")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"BROKER_URL": "http://a"}, "broker_url = ***", id="broker"),
        pytest.param({"DATABASE_URL": "mysql://me:s3cret@db"}, "database_url: mysql", id="base"),
    ],
)
def test_node_ends_at_a_wrong_setting(
    project: Project, settings: dict[str, str], message: str
) -> None:
    ended = project.run("worker.sh", **settings)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "s3cret" not in ended.stderr


def test_node_ends_where_a_model_cannot_be_loaded(project: Project) -> None:
    with project.edited("conf/xxx_model.conf", "greeting = ", "greetings = "):
        ended = project.run("worker.sh")
    assert ended.returncode == 1
    assert "the node ends: XXXModel cannot be loaded: ConfigError" in ended.stderr
    assert project.processes() == []
