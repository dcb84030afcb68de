"""The worker of jobs in the tree of the service: what it tells, and when it ends."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa

from model_serving.jobs.tables import chunks
from tests.services.faulty.service import FAST, FaultyService, faulty_copy, faulty_service
from tests.services.processes import (
    PATIENCE_S,
    free_port,
    job_workers,
    living,
    tree,
    wait_until,
)

PATIENT = {"faulty_model": "[serving]\ntimeout_s = 600\n"}  # What hangs hangs until it is killed.
ENDED = ("succeeded", "failed", "cancelled")


@contextmanager
def service_of_jobs(folder: Path, **settings: str) -> Iterator[FaultyService]:
    """Run a service, and end it whatever is under way."""
    project = faulty_copy(folder, [*FAST, "FaultyModel"], PATIENT)
    with faulty_service(project, WORKERS="1", **settings) as service:
        yield service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyService]:
    with service_of_jobs(tmp_path_factory.mktemp("jobs")) as service:
        yield service


def hand_in(service: FaultyService, *instances: Any) -> str:
    """Hand in a job for the faulty model, and return its URL."""
    answer = httpx.post(
        f"{service.url}/v1/FaultyModel/jobs",
        json={"instances": instances},
        timeout=PATIENCE_S,
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    return service.url + answer.headers["Location"]


def get(url: str) -> Any:
    return httpx.get(url, timeout=PATIENCE_S, trust_env=False).json()


def ended(job: str) -> Any:
    """Wait for the end of a job, and return it."""
    wait_until(lambda: get(job)["state"] in ENDED, "the job has ended")
    return get(job)


def worker(service: FaultyService) -> psutil.Process | None:
    """Return the worker of jobs, if there is one alone."""
    found = living(job_workers(service.pid))
    return found[0] if len(found) == 1 else None


def there_is_another(service: FaultyService, old: psutil.Process) -> bool:
    return not living([old]) and worker(service) not in (None, old)


def under_way(service: FaultyService, tmp_path: Path) -> str:
    """Hand in a job whose only chunk does not end the first time, and wait for its begin."""
    begun = tmp_path / "begun"
    job = hand_in(service, {"do": "hang once", "value": str(begun)})
    wait_until(begun.exists, "the chunk has begun")
    return job


def test_metrics_count_what_the_worker_has_done(service: FaultyService) -> None:
    echo = {"do": "echo", "value": 1}
    assert ended(hand_in(service, echo, echo, {"do": "refuse", "value": "no"}))["attempts"] == 1
    model = {"model": "FaultyModel"}

    def count(name: str, **labels: str) -> float:
        return service.metric(f"model_{name}", **model, **labels)

    def told() -> tuple[float, ...]:
        return (
            count("jobs", state="succeeded"),
            count("jobs"),
            service.metric("model_jobs_ready"),
            count("job_instances_total", outcome="succeeded"),
            count("job_instances_total", outcome="failed"),
            count("job_wait_seconds_count"),
            count("job_run_seconds_count"),
        )

    wait_until(lambda: told() == (1, 1, 3, 2, 1, 1, 1), "the worker has reported")


def test_status_shows_the_worker_and_the_jobs(service: FaultyService) -> None:
    supervisor, there = service.supervisor, worker(service)
    assert there is not None
    shown = subprocess.run(
        [sys.executable, "-m", "model_serving.status"],
        cwd=service.project.folder,
        env=supervisor.environ(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert f"job worker: pid {there.pid}, " in shown
    assert "succeeded 1" in shown


def test_chunk_under_way_is_given_back_at_a_reload(service: FaultyService, tmp_path: Path) -> None:
    old = worker(service)
    assert old is not None
    job = under_way(service, tmp_path)
    psutil.Process(service.pid).send_signal(signal.SIGHUP)
    done = ended(job)
    assert (done["state"], done["attempts"], done["progress"]["failed"]) == ("succeeded", 1, 0)
    assert there_is_another(service, old)


def test_worker_ends_with_its_supervisor_and_is_replaced(service: FaultyService) -> None:
    old = worker(service)
    assert old is not None
    service.supervisor.kill()
    wait_until(partial(there_is_another, service, old), "there is a new worker")
    assert ended(hand_in(service, {"do": "echo", "value": 1}))["state"] == "succeeded"


def test_models_are_ready_though_the_database_and_the_broker_are_away(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        broker = f"amqp://127.0.0.1:{silent.getsockname()[1]}//"
        database = f"postgresql://postgres@127.0.0.1:{free_port()}/jobs"
        with service_of_jobs(
            tmp_path / "service", DATABASE_URL=database, BROKER_URL=broker
        ) as service:
            jobs = {
                "worker": "ready",
                "database": "The job database is not available",
                "broker": "The job broker is not available",
            }
            wait_until(
                lambda: get(f"{service.url}/readyz") == {"status": "ready", "jobs": jobs},
                "it is known what is away",
            )
            assert service.metric("model_jobs_ready") == 1
            assert service.ask("FaultyModel", "echo", 1).body == {"result": 1}
            answer = httpx.post(
                f"{service.url}/v1/FaultyModel/jobs",
                json={"do": "echo", "value": 1},
                timeout=PATIENCE_S,
                trust_env=False,
            )
            assert (answer.status_code, answer.json()["message"]) == (503, jobs["broker"])


def test_stop_gives_a_chunk_under_way_back_untried(service: FaultyService, tmp_path: Path) -> None:
    job = under_way(service, tmp_path)
    processes = tree(service.pid)  # This test is the last one of this service.
    psutil.Process(service.pid).terminate()
    wait_until(lambda: not living(processes), "all processes have ended")
    engine = sa.create_engine(f"sqlite:///{service.project.folder}/data/jobs.db")
    with engine.connect() as connection:
        own = sa.select(chunks).where(chunks.c.job_id == job.rpartition("/")[2])
        (chunk,) = connection.execute(own)
    engine.dispose()
    assert (chunk.state, chunk.attempts) == ("waiting", 0)
