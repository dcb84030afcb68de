"""Models that cannot be loaded, beside others that serve."""

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.services.calls import greeting
from tests.services.faulty.service import FAST, GUNICORN, faulty_copy
from tests.services.processes import (
    PATIENCE_S,
    clean_environment,
    free_port,
    started,
    wait_until,
)
from tests.services.project import Project
from tests.services.traffic import Call, ask

REASONS = [
    "BrokenModel: RuntimeError: the weights are missing",
    "StuckModel: it did not load within 20 s",
    "MisdeclaredModel: the example {'do': 'echo', 'value': 1} is not answered as declared: "
    "expected 2 at /result, not 1",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("failed")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A service whose failing models have failed for once."""
    names = [*FAST, "BrokenModel", "StuckModel", "MisdeclaredModel"]
    broken = f"[model]\nattempts = {folder}/attempts\n"
    project = faulty_copy(folder / "project", names, {"broken_model": broken})
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = clean_environment(PORT=str(port), START_TIMEOUT_S="20")
    command = [sys.executable, *GUNICORN]
    with started(command, project.folder, environment, folder / "output"):
        wait_until(lambda: readiness(url)[1].count(";") == 2, "the models have failed")
        wait_until(lambda: all(reason in readiness(url)[1] for reason in REASONS), "they say why")
        yield url
    project.end()


def readiness(url: str) -> tuple[int, str]:
    """Return what ``/readyz`` says."""
    try:
        answer = httpx.get(f"{url}/readyz", timeout=PATIENCE_S, trust_env=False)
    except httpx.TransportError:
        return 0, ""
    return answer.status_code, answer.json().get("message", "")


def test_readiness_names_the_models_that_fail_and_why(url: str) -> None:
    status, message = readiness(url)
    assert status == 503
    assert message.split("; ") == REASONS


def test_models_that_load_serve_beside_those_that_fail(url: str) -> None:
    assert greeting(url) == "Hello, Leo!"
    assert httpx.get(f"{url}/healthz", timeout=PATIENCE_S, trust_env=False).status_code == 200


@pytest.mark.parametrize("model", ["BrokenModel", "StuckModel", "MisdeclaredModel"])
def test_model_that_failed_to_load_is_refused_at_once(url: str, model: str) -> None:
    reply = ask(url, Call(model, {"do": "echo", "value": 1}))
    assert (reply.status, reply.body) == (503, {"message": f"{model} is not ready"})
    assert int(reply.headers["Retry-After"]) >= 1
    assert reply.taken_s < 10  # It does not wait for the next attempt to end.


def test_model_that_fails_to_load_is_tried_again_less_and_less_often(
    url: str, folder: Path
) -> None:
    def attempts() -> list[float]:
        return [float(line) for line in (folder / "attempts").read_text().splitlines()]

    wait_until(lambda: len(attempts()) >= 4, "the fourth attempt is made")
    pauses_s = [later - earlier for earlier, later in pairwise(attempts()[:4])]
    assert [pause_s >= delay_s for pause_s, delay_s in zip(pauses_s, (1, 2, 4), strict=True)] == [
        True,
        True,
        True,
    ]
    assert readiness(url)[0] == 503


def test_start_names_the_example_that_is_not_answered_as_declared(project: Project) -> None:
    resource = "model_serving/resources/xxx_model_resource.py"
    with project.edited(resource, '{"result": "Hello, Leo!"}),)', '{"result": "Hi, Leo!"}),)'):
        start = project.run("start.sh", PORT=str(free_port()))
    assert start.returncode == 1
    assert (
        "start.sh: not ready: XXXModel: the example {'name': 'Leo'} is not answered as declared: "
        "expected 'Hi, Leo!' at /result, not 'Hello, Leo!'"
    ) in start.stderr.splitlines()[-1]
    assert project.processes() == []
