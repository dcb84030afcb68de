import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from model_serving import metrics
from model_serving.errors import Overloaded
from model_serving.serving.admission import Admission


def admitted(admission: Admission, name: str, stack: ExitStack) -> int:
    """Let requests in until one is refused; return how many are."""
    count = 0
    while True:
        try:
            stack.enter_context(admission.admit(name))
        except Overloaded:
            return count
        count += 1


def in_flight(name: str) -> float:
    return float(metrics.IN_FLIGHT.labels(name)._value.get())


def shed(name: str) -> float:
    return float(metrics.SHED.labels(name)._value.get())


def test_admission_bounds_each_model_by_itself() -> None:
    admission = Admission({"A": 2, "B": 3})
    with ExitStack() as stack:
        assert admitted(admission, "A", stack) == 2
        assert admitted(admission, "B", stack) == 3


@pytest.mark.parametrize(
    ("threads", "first", "second"), [(1, 1, 0), (2, 1, 1), (8, 4, 2), (9, 5, 2), (100, 50, 25)]
)
def test_admission_leaves_half_of_the_free_threads_to_others(
    threads: int, first: int, second: int
) -> None:
    admission = Admission({"A": 1000, "B": 1000}, threads)
    with ExitStack() as stack:
        assert admitted(admission, "A", stack) == first
        assert admitted(admission, "B", stack) == second
        assert first + second <= threads


def test_admission_gives_back_the_place_of_a_request() -> None:
    admission = Admission({"A": 1}, 8)
    for _ in range(20):
        with admission.admit("A"), pytest.raises(Overloaded), admission.admit("A"):
            pass
    assert in_flight("A") == 0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_admission_gives_back_the_place_after_an_error(error: type[BaseException]) -> None:
    admission = Admission({"A": 1}, 8)
    for _ in range(20):
        with pytest.raises(error), admission.admit("A"):
            raise error
    with ExitStack() as stack:
        assert admitted(admission, "A", stack) == 1


def test_admission_counts_what_is_in_flight_and_what_is_shed() -> None:
    admission, before = Admission({"A": 2}), shed("A")
    with admission.admit("A"), admission.admit("A"):
        assert in_flight("A") == 2
        with pytest.raises(Overloaded), admission.admit("A"):
            pass
    assert (in_flight("A"), shed("A")) == (0, before + 1)


def test_admission_starts_with_nothing_in_flight() -> None:
    metrics.IN_FLIGHT.labels("A").set(5)
    Admission({"A": 2})
    assert in_flight("A") == 0


@pytest.mark.parametrize(
    ("latency_s", "retry_after_s"), [(0.0, 1), (0.5, 1), (10.0, 10), (10.01, 11)], ids=str
)
def test_admission_tells_the_latency_as_the_time_to_wait(
    latency_s: float, retry_after_s: int
) -> None:
    admission = Admission({"A": 1, "B": 1})
    admission._shares["A"].latency_s = latency_s
    with admission.admit("A"), pytest.raises(Overloaded) as raised, admission.admit("A"):
        pass
    assert raised.value.retry_after_s == retry_after_s
    assert raised.value.message == "A has too many requests in flight"


def test_admission_measures_the_latency() -> None:
    admission = Admission({"A": 1})
    slow = threading.Event()
    with admission.admit("A"):
        slow.wait(0.05)
    first_s = admission._shares["A"].latency_s
    assert first_s >= 0.1 * 0.05
    with admission.admit("A"):
        pass
    assert admission._shares["A"].latency_s < first_s


def test_admission_holds_its_bounds_among_many_threads() -> None:
    admission = Admission({"A": 5, "B": 5}, 16)
    most, now, lock = {"A": 0, "B": 0}, {"A": 0, "B": 0}, threading.Lock()

    def enter(name: str) -> bool:
        try:
            with admission.admit(name):
                with lock:
                    now[name] += 1
                    most[name] = max(most[name], now[name])
                with lock:
                    now[name] -= 1
            return True
        except Overloaded:
            return False

    with ThreadPoolExecutor(16) as pool:
        results: list[Any] = list(pool.map(enter, ["A", "B"] * 2000))
    assert any(results)
    assert max(most.values()) <= 5
    assert (in_flight("A"), in_flight("B")) == (0, 0)
