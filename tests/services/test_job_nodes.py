"""Machines that share a database and a broker share a job, and one may die."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.load.job_callers import MODEL, TIMEOUT_S, Asked
from tests.load.job_site import Site, copy_of
from tests.services.hosts import network
from tests.services.postgres import needs_postgres, postgres_server
from tests.services.processes import wait_until
from tests.services.project import Project
from tests.services.redis import needs_redis, redis_server

MODEL_FILE = "model_serving/models/xxx_model.py"
EDITS = (
    ("model_serving/jobs/limits.py", "stale_s: float = 30.0", "stale_s: float = 3.0"),
    # So that both are still at work when one is killed.
    (MODEL_FILE, "from typing", "import time\nfrom typing"),
    (MODEL_FILE, "        return [f", "        time.sleep(0.004)\n        return [f"),
)
CHUNKS = 200  # Enough for both, though one begins some seconds later.


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[str, list[Site]]]:
    """Return the database of two nodes, and these."""
    with ExitStack() as stack:
        net = stack.enter_context(network(2))
        url = stack.enter_context(postgres_server(net.address)).new_database("jobs")
        broker = stack.enter_context(redis_server(net.address))
        settings = {"DATABASE_URL": url, "BROKER_URL": broker.url}
        sites = []
        for number, host in enumerate(net.hosts):
            folder = copy_of(tmp_path / f"node {number}")
            for edit in EDITS:
                stack.enter_context(Project(folder).edited(*edit))
            sites.append(Site(folder, settings, {}, host))
            stack.callback(sites[-1].stop)
        with ThreadPoolExecutor() as pool:
            list(pool.map(Site.start, sites))
        yield url, sites


def worker_of(node: Site) -> str:
    """Return the name of a node's worker."""
    names = [path.name for path in (node.folder / "data/workers").glob("[!.]*")]
    return names[0] if names else "none yet"


def claims(url: str) -> Counter[tuple[str, str]]:
    """Return how many chunks there are in each state, by who claimed them last."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT claim, state FROM chunks WHERE claim IS NOT NULL")
        return Counter((claim.rpartition(" ")[0], state) for claim, state in found)


@needs_postgres
@needs_redis
def test_two_machines_score_one_file_and_one_is_killed(nodes: tuple[str, list[Site]]) -> None:
    url, (first, second) = nodes
    asked = Asked("file", [str(number) for number in range(CHUNKS * 1000)])
    wait_until(lambda: "none yet" not in map(worker_of, (first, second)), "both workers are there")
    with httpx.Client(base_url=first.url, timeout=TIMEOUT_S, trust_env=False) as client:
        headers = {"Content-Type": "application/x-ndjson"}
        job = client.post(f"{MODEL}/jobs", content=asked.body, headers=headers).json()["links"]
        killed, left = worker_of(second), worker_of(first)
        both = {(killed, "done"), (killed, "running"), (left, "done")}
        wait_until(lambda: both <= claims(url).keys(), "both have done a chunk")
        (worker,) = second.found("worker")

        def is_caught() -> bool:
            """Stop the worker, and say whether it has a chunk; else let it go on."""
            worker.suspend()
            if claims(url)[killed, "running"]:
                return True
            worker.resume()
            return False

        wait_until(is_caught, "the second has a chunk")
        second.kill_all()
        wait_until(lambda: client.get(job["self"]).json()["ended"], "it has ended")
        told = client.get(job["self"]).json()
        lines = client.get(job["result"]).text.splitlines()
    assert (told["state"], told["progress"]["done"]) == ("succeeded", len(asked.names))
    assert lines == [f'{{"result":"{greeting}"}}' for greeting in asked.result]
    done = claims(url)
    assert set(done) == {(killed, "done"), (left, "done")}
    assert done.total() == CHUNKS
