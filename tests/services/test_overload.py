"""More requests than a model can answer, and callers that do not wait for it."""

import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import httpx
import pytest

from tests.services.faulty.service import FAST, FaultyService, faulty_copy, faulty_service
from tests.services.processes import PATIENCE_S
from tests.services.traffic import Call, Caller, ask, ask_at_rate, ask_for

# One batch of 8 takes 0.1 s, so the model answers 80 requests per second.
SLOW = "[serving]\nmax_batch_size = 8\nmax_queue = 32\n"
FAULTY = ("FaultyModel", "HangingModel", "SlowModel")
DURATION_S = 4.0
CALL = Call("SlowModel", {"do": "echo", "value": 1})


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyService]:
    project = faulty_copy(
        tmp_path_factory.mktemp("overload"), [*FAST, *FAULTY], {"slow_model": SLOW}
    )
    with faulty_service(project) as service:
        yield service


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[FaultyService]:
    """A service with few threads, where each request holds one of them."""
    project = faulty_copy(tmp_path, [*FAST, *FAULTY])
    settings = {"HTTP_WORKER": "gthread", "WORKERS": "1", "THREADS": "4"}
    with faulty_service(project, **settings) as service:
        yield service


class Watch:
    """Asks for the service's health over and over, each time by a new connection."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_over = False
        self.seen: list[tuple[int, float]] = []

    def look(self) -> None:
        while not self.is_over:
            for path in ("/healthz", "/readyz"):
                started_s = time.monotonic()
                answer = httpx.get(f"{self.url}{path}", timeout=PATIENCE_S, trust_env=False)
                self.seen.append((answer.status_code, time.monotonic() - started_s))

    def __enter__(self) -> "Watch":
        self._pool = ThreadPoolExecutor(1)
        self._looking = self._pool.submit(self.look)
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over = True
        self._pool.shutdown()
        self._looking.result()


def test_overload_is_refused_and_the_rest_is_answered_in_time(faulty: FaultyService) -> None:
    before = ask_for(faulty.url, CALL, DURATION_S, connections=16)
    peak = len(before)
    calls = [CALL] * (3 * peak)
    with Watch(faulty.url) as watch:
        # In one of them, the machine may stand still for a while.
        for _ in range(3):
            replies = ask_at_rate(faulty.url, calls, 3 * peak / DURATION_S, connections=100)
            accepted = [reply for reply in replies if reply.status == 200]
            if len(accepted) >= 0.95 * peak:
                break
    refused = [reply for reply in replies if reply.status != 200]
    assert {reply.status for reply in before} == {200}
    assert len(accepted) >= 0.95 * peak
    # A full queue of 32 takes 0.4 s; one that grew would take up to 8 s by the end.
    assert median(reply.taken_s for reply in accepted) < 3
    assert {reply.status for reply in refused} == {503}
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in refused)
    assert {status for status, _ in watch.seen} == {200}
    assert median(taken_s for _, taken_s in watch.seen) < 3


@pytest.mark.parametrize("models", [FAULTY[:1], FAULTY], ids=["one model", "three models"])
def test_models_that_do_not_answer_leave_a_thread_to_the_others(
    narrow: FaultyService, models: tuple[str, ...]
) -> None:
    with ThreadPoolExecutor(20) as pool, ExitStack() as stack:
        for model in models:
            stack.enter_context(narrow.paused(model))
            futures = [pool.submit(narrow.ask, model, "echo", 1) for _ in range(4)]
            refused, _ = wait(futures, timeout=20, return_when=FIRST_COMPLETED)
            assert {future.result().status for future in refused} == {503}, model
        statuses = [
            httpx.get(f"{narrow.url}{path}", timeout=PATIENCE_S, trust_env=False).status_code
            for path in ("/healthz", "/readyz")
        ]
        assert statuses == [200, 200]


def dropped(service: FaultyService, why: str) -> float:
    return service.metric("model_instances_dropped_total", model="FaultyModel", why=why)


def test_instance_whose_caller_has_left_is_not_predicted(
    faulty: FaultyService, tmp_path: Path
) -> None:
    before = dropped(faulty, "caller left")
    with Caller(faulty.url) as caller, faulty.paused("FaultyModel"):
        caller.send(Call("FaultyModel", {"do": "mark", "value": str(tmp_path / "predicted")}))
        faulty.wait_for_depth("FaultyModel", 1)
        caller.leave()
        faulty.wait_for_depth("FaultyModel", 0)
    assert faulty.ask("FaultyModel", "echo", 1).status == 200
    assert not (tmp_path / "predicted").exists()
    assert dropped(faulty, "caller left") == before + 1


def test_instance_whose_deadline_has_passed_is_not_predicted(
    faulty: FaultyService, tmp_path: Path
) -> None:
    before = dropped(faulty, "deadline passed")
    body = {"do": "mark", "value": str(tmp_path / "predicted")}
    with faulty.paused("FaultyModel"):
        reply = ask(faulty.url, Call("FaultyModel", body, {"X-Request-Timeout-Ms": "200"}))
    assert reply.status == 504
    assert faulty.ask("FaultyModel", "echo", 1).status == 200
    assert not (tmp_path / "predicted").exists()
    assert dropped(faulty, "deadline passed") == before + 1
