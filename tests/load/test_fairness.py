"""Jobs take what synchronous callers leave idle."""

import sys
from collections.abc import Iterator

import pytest

from tests.load.background import TIMEOUT_S, resting
from tests.load.bodies import find_model
from tests.load.comparison import Comparison, call
from tests.services.faulty.service import GUNICORN, faulty_copy
from tests.services.processes import Server, clean_environment, free_port, running

LEAST_PHASES, MOST_PHASES = 3, 16  # The rest is for machines that do much else.
PHASE_S = 0.8
BODIES = {"FaultyModel": [b'{"do": "sleep", "value": 0.002}']}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of three models, with jobs."""
    project = faulty_copy(
        tmp_path_factory.mktemp("fair") / "project", ("XXXModel", "FaultyModel", "DigitsModel")
    )
    port = free_port()
    environment = clean_environment(PORT=str(port))
    try:
        with running([sys.executable, *GUNICORN], port, project.folder, environment) as server:
            yield server
    finally:
        project.end()


def compared(served: Server, called: str, job_model: str, rate: float) -> Comparison:
    """Call a model, at a rate or as fast as it answers, until the comparison is good enough."""
    target, jobs = (
        find_model(served.url, name, BODIES.get(name), TIMEOUT_S) for name in (called, job_model)
    )
    with resting(jobs, served.process.pid) as background:
        call(target, PHASE_S)
        found = Comparison(background, target, PHASE_S, rate)
        for number in range(1, MOST_PHASES + 1):
            found.go_on()
            if number >= LEAST_PHASES and found.ratio <= 1.5:
                break
    return found


@pytest.mark.parametrize(
    ("called", "job_model", "rate"),
    [
        pytest.param("FaultyModel", "FaultyModel", 0, id="busy model"),
        pytest.param("XXXModel", "DigitsModel", 100, id="another model"),
        pytest.param("XXXModel", "XXXModel", 0, id="busy processors"),
    ],
)
def test_calls_do_not_wait_behind_jobs(
    served: Server, called: str, job_model: str, rate: float
) -> None:
    found = compared(served, called, job_model, rate)
    assert found.ratio <= 1.5
    assert sum(found.job_rates) > 0
