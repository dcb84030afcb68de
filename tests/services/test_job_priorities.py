"""Urgent jobs go first, whatever the broker."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
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


@pytest.fixture(params=BROKERS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[httpx.Client]:
    """Return a client of a service with jobs, by each kind of broker."""
    with ExitStack() as stack:
        settings = {}
        if request.param is not None:
            settings["BROKER_URL"] = stack.enter_context(request.param()).url
        port = free_port()
        project = faulty_copy(tmp_path / "project", ("XXXModel",))
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


def test_high_priority_goes_first_and_equals_take_turns(client: httpx.Client) -> None:
    lows = [hand_in(client, 60, "low") for _ in range(2)]
    wait_until(lambda: min(chunks_done(client, *lows)) >= 2, "both are being done")
    first = chunks_done(client, *lows)
    wait_until(lambda: sum(chunks_done(client, *lows)) >= sum(first) + 6, "they go on")
    ahead, behind = (
        now - then for now, then in zip(chunks_done(client, *lows), first, strict=True)
    )
    assert abs(ahead - behind) <= 2

    high, before = hand_in(client, 30, "high"), sum(chunks_done(client, *lows))
    done = [0, 0, 0]

    def is_done() -> bool:
        done[:] = chunks_done(client, high, *lows)
        return done[0] == 30

    wait_until(is_done, "the urgent one is done")
    assert sum(done[1:]) < 120  # They have wanted a worker all the time.
    assert sum(done[1:]) - before <= 30 // 3  # Each tenth, those at its begin and since its end.
