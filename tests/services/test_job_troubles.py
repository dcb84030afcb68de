"""Jobs that do harm, and a disk that is full: each job ends, and nothing is lost."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.services.calls import greeting
from tests.services.faulty.service import GUNICORN, FaultyService, faulty_copy
from tests.services.processes import (
    PATIENCE_S,
    clean_environment,
    free_port,
    is_ready,
    running,
    wait_until,
)

DISK_BYTES = 4 * 1024 * 1024
LARGE = "x" * 300_000
# A mount of its own, which ends with the process.
ON_SMALL_DISK = 'mkdir "$FOLDER" && mount -t tmpfs -o size=$DISK none "$FOLDER" && exec "$@"'


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyService]:
    """Run a service whose database is on a small disk, and whose workers soon count as dead."""
    folder = tmp_path_factory.mktemp("troubled")
    project = faulty_copy(folder, ["XXXModel", "FaultyModel", "DeadlyModel"])
    port, disk = free_port(), folder / "disk"
    environment = clean_environment(
        PORT=str(port),
        DATABASE_URL=f"sqlite:///{disk}/jobs.db",
        MAX_JOB_ATTEMPTS="2",
        FOLDER=str(disk),
        DISK=str(DISK_BYTES),
    )
    small = ["unshare", "--mount", "--map-root-user", "bash", "-c", ON_SMALL_DISK, "small"]
    command = [*small, sys.executable, *GUNICORN]
    with project.edited(
        "model_serving/jobs/limits.py", "stale_s: float = 30.0", "stale_s: float = 3.0"
    ):
        try:
            with running(command, port, folder, environment) as server:
                yield FaultyService(project, server.url, server.process.pid, server.printed)
        finally:
            project.end()


def hand_in(service: FaultyService, model: str, body: Any) -> httpx.Response:
    url = f"{service.url}/v1/{model}/jobs"
    return httpx.post(url, json=body, timeout=PATIENCE_S, trust_env=False)


def told(service: FaultyService, job_id: str, more: str = "") -> httpx.Response:
    url = f"{service.url}/v1/jobs/{job_id}{more}"
    return httpx.get(url, timeout=PATIENCE_S, trust_env=False)


def wait_for(service: FaultyService, job_id: str, *states: str) -> Any:
    wait_until(lambda: told(service, job_id).json()["state"] in states, f"a job is {states}")
    return told(service, job_id).json()


def fill(disk: Path) -> Path:
    """Leave no room on a disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


def test_full_disk_refuses_jobs_and_loses_none(troubled: FaultyService) -> None:
    disk = Path(f"/proc/{troubled.pid}/root{troubled.project.folder}/disk")
    body = {"do": "echo", "value": LARGE}
    with troubled.paused("FaultyModel"):
        job_id = hand_in(troubled, "FaultyModel", body).json()["id"]
        wait_for(troubled, job_id, "running")
        ballast = fill(disk)
    kept = f"cannot hand in a chunk of job {job_id}: There is no room"
    wait_until(lambda: kept in troubled.log(), "the worker finds no room")
    refused = hand_in(troubled, "FaultyModel", body)
    assert (refused.status_code, refused.json()["message"]) == (507, "There is no room for files")
    assert greeting(troubled.url) == "Hello, Leo!"
    assert is_ready(troubled.url)

    ballast.unlink()
    job = wait_for(troubled, job_id, "succeeded", "failed")
    assert (job["state"], job["progress"]) == ("succeeded", {"total": 1, "done": 1, "failed": 0})
    assert orjson.loads(told(troubled, job_id, "/result").content) == {"result": LARGE}


def test_instance_that_kills_replicas_fails_alone(troubled: FaultyService) -> None:
    bodies = [{"do": "echo", "value": 1}, {"do": "kill", "value": 0}, {"do": "echo", "value": 3}]
    job_id = hand_in(troubled, "FaultyModel", {"instances": bodies}).json()["id"]
    job = wait_for(troubled, job_id, "succeeded", "failed")
    assert (job["state"], job["progress"]) == ("succeeded", {"total": 3, "done": 3, "failed": 1})
    assert job["errors"] == [{"line": 2, "message": "The model failed"}]
    assert [line.get("result") for line in job["result"]] == [1, None, 3]


def test_file_of_a_job_is_kept_apart_and_answered(troubled: FaultyService) -> None:
    body = {"do": "file", "value": "a text"}
    job_id = hand_in(troubled, "FaultyModel", body).json()["id"]
    url = wait_for(troubled, job_id, "succeeded", "failed")["result"]["result"]
    assert url.startswith("/assets/jobs/")
    file = httpx.get(troubled.url + url, timeout=PATIENCE_S, trust_env=False)
    assert (file.text, file.headers["Content-Type"]) == ("a text", "text/plain; charset=utf-8")
    url_once = f"{troubled.url}/v1/FaultyModel"
    once = httpx.post(url_once, json=body, timeout=PATIENCE_S, trust_env=False).json()
    assert once["result"] == url.replace("/jobs", "")


def test_job_that_kills_its_workers_fails_and_blocks_nobody(troubled: FaultyService) -> None:
    deadly = hand_in(troubled, "DeadlyModel", {"do": "end", "value": 0}).json()["id"]
    other = hand_in(troubled, "XXXModel", {"name": "Leo"}).json()["id"]
    assert wait_for(troubled, other, "succeeded", "failed")["state"] == "succeeded"
    job = wait_for(troubled, deadly, "succeeded", "failed")
    assert (job["state"], job["attempts"]) == ("failed", 2)
    message = "The work was begun 2 times, and never came to its end"
    assert job["error"] == {"message": message}
    assert troubled.log().count("model_serving.job_worker has ended with -9") == 2
