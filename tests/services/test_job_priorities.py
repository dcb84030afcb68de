"""Urgent jobs go first, whatever the broker."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from tests.services.faulty.service import faulty_copy
from tests.services.processes import PATIENCE_S, clean_environment, free_port, running, wait_until
from tests.services.rabbitmq import needs_rabbitmq, rabbitmq_server
from tests.services.redis import needs_redis, redis_server

CHUNK = 1000
BROKERS = [
    pytest.param(None, id="filesystem"),
    pytest.param(redis_server, id="redis", marks=needs_redis),
    pytest.param(rabbitmq_server, id="rabbitmq", marks=needs_rabbitmq),
]


# How many chunks of others were begun between the first and the last of the urgent job.
BEGUN = """
    SELECT count(*) FROM chunks, (
        SELECT job_id, min(heartbeat_s) AS first_s, max(heartbeat_s) AS last_s FROM chunks
        WHERE job_id = (SELECT id FROM jobs WHERE priority = 1)
    ) AS urgent
    WHERE chunks.job_id != urgent.job_id AND heartbeat_s BETWEEN first_s AND last_s
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the service."""
    return tmp_path / "project"


@pytest.fixture(params=BROKERS)
def client(request: pytest.FixtureRequest, folder: Path) -> Iterator[httpx.Client]:
    """Return a client of a service with jobs, by each kind of broker."""
    with ExitStack() as stack:
        settings = {}
        if request.param is not None:
            settings["BROKER_URL"] = stack.enter_context(request.param()).url
        port = free_port()
        project = faulty_copy(folder, ("XXXModel",))
        stack.callback(project.end)
        environment = clean_environment(PORT=str(port), **settings)
        command = [sys.executable, "-m", "gunicorn", "--config", "conf/gunicorn.conf.py"]
        server = stack.enter_context(running(command, port, project.folder, environment))
        yield stack.enter_context(
            httpx.Client(base_url=server.url, timeout=PATIENCE_S, trust_env=False)
        )


def hand_in(client: httpx.Client, chunks: int, priority: str) -> str:
    """Hand in a job, and return its address."""
    answer = client.post(
        "/v1/XXXModel/jobs",
        params={"priority": priority},
        content=b'{"name": "Leo"}\n' * (chunks * CHUNK),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"])


def chunks_done(client: httpx.Client, *jobs: str) -> list[int]:
    """Return how many chunks of each job are done, all at the same moment."""
    listed = client.get("/v1/jobs").json()["jobs"]
    done = {job["links"]["self"]: job["progress"]["done"] // CHUNK for job in listed}
    return [done[job] for job in jobs]


def test_high_priority_goes_first_and_equals_take_turns(client: httpx.Client, folder: Path) -> None:
    lows = [hand_in(client, 60, "low") for _ in range(2)]
    wait_until(lambda: min(chunks_done(client, *lows)) >= 2, "both are being done")
    first = chunks_done(client, *lows)
    wait_until(lambda: sum(chunks_done(client, *lows)) >= sum(first) + 6, "they go on")
    ahead, behind = (
        now - then for now, then in zip(chunks_done(client, *lows), first, strict=True)
    )
    assert abs(ahead - behind) <= 2

    high = hand_in(client, 30, "high")
    done = [0, 0, 0]

    def is_done() -> bool:
        done[:] = chunks_done(client, high, *lows)
        return done[0] == 30

    wait_until(is_done, "the urgent one is done")
    with closing(sqlite3.connect(folder / "data/jobs.db", timeout=PATIENCE_S)) as database:
        assert 2 <= database.execute(BEGUN).fetchone()[0] <= 4  # Each tenth.
    assert sum(done[1:]) < 120  # They have wanted a worker all the time.
