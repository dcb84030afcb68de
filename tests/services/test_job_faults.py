"""bin/job-faults, in a short form, loses nothing and does nothing twice."""

import subprocess
import sys

import pytest

from tests.load.bodies import Unusable
from tests.load.job_site import job_site
from tests.services.postgres import needs_postgres
from tests.services.processes import PATIENCE_S
from tests.services.project import ROOT
from tests.services.rabbitmq import needs_rabbitmq
from tests.services.redis import needs_redis

JOBS, KILLS = 40, 7  # Whatever can be killed is, at least once.
PAIRS = [
    pytest.param("filesystem", "sqlite"),
    pytest.param("redis", "postgresql", marks=[needs_redis, needs_postgres]),
    pytest.param("rabbitmq", "postgresql", marks=[needs_rabbitmq, needs_postgres]),
]


@pytest.mark.parametrize(("engine", "database"), PAIRS)
def test_kills_lose_no_job_and_do_none_twice(engine: str, database: str) -> None:
    pair = [f"--engine={engine}", f"--database={database}"]
    command = [sys.executable, "-m", "tests.load.job_faults", *pair]
    with subprocess.Popen(
        [*command, f"--jobs={JOBS}", f"--kills={KILLS}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as run:
        try:
            printed, _ = run.communicate(timeout=2 * PATIENCE_S)
        finally:
            run.terminate()  # It takes with it what it has started.
    assert run.returncode == 0, printed
    assert f"jobs: accepted {JOBS}, ended {JOBS}\n" in printed
    assert "lost 0, twice 0" in printed


@pytest.mark.parametrize("pair", [("kafka", "sqlite"), ("redis", "mysql")], ids="-".join)
def test_unknown_server_is_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(Unusable, match=r"kafka: allowed are filesystem|mysql: allowed are sqlite"):
        job_site(*pair).__enter__()
