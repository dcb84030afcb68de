from types import SimpleNamespace

import pytest

from model_serving import metrics
from model_serving.errors import Overloaded
from model_serving.serving import admission
from model_serving.serving.admission import Share, shares
from tests.loops import in_loop, until


def entered(share: Share, in_thread: bool = False) -> int:
    """Let requests in until one is refused; return how many are."""
    count = 0
    while True:
        try:
            share.enter(in_thread)
        except Overloaded:
            return count
        count += 1


def in_flight(name: str) -> float:
    return float(metrics.IN_FLIGHT.labels(name)._value.get())


def shed(name: str) -> float:
    return float(metrics.SHED.labels(name)._value.get())


@pytest.mark.parametrize("in_thread", [False, True], ids=["task", "thread"])
@in_loop
async def test_shares_bound_each_model_by_itself(in_thread: bool) -> None:
    both = shares({"A": 2, "B": 3}, threads=100)
    assert (entered(both["A"], in_thread), entered(both["B"], in_thread)) == (2, 3)
    assert (entered(both["A"], in_thread), entered(both["B"], in_thread)) == (0, 0)


@pytest.mark.parametrize(
    ("threads", "first", "second"), [(1, 1, 0), (2, 1, 0), (8, 4, 2), (9, 4, 2), (100, 50, 25)]
)
@in_loop
async def test_shares_leave_half_of_the_free_threads_to_others(
    threads: int, first: int, second: int
) -> None:
    both = shares({"A": 1000, "B": 1000}, threads)
    assert entered(both["A"], in_thread=True) == first
    assert entered(both["B"], in_thread=True) == second
    assert first + second <= max(1, threads - 1)


@in_loop
async def test_shares_bound_what_holds_no_thread_by_the_limit_alone() -> None:
    both = shares({"A": 500, "B": 500}, threads=9)
    assert entered(both["A"]) == 500
    assert entered(both["B"], in_thread=True) == 4
    assert entered(both["B"]) == 496


@pytest.mark.parametrize("in_thread", [False, True], ids=["task", "thread"])
@in_loop
async def test_share_gives_back_the_place_of_a_request(in_thread: bool) -> None:
    both = shares({"A": 1, "B": 100}, threads=8)
    for _ in range(20):
        entered_s = both["A"].enter(in_thread)
        assert entered(both["A"], in_thread) == 0
        both["A"].leave(entered_s, in_thread)
    assert entered(both["B"], in_thread=True) == 4


@in_loop
async def test_share_tells_within_a_moment_what_is_in_flight() -> None:
    share = shares({"A": 3}, threads=8)["A"]
    entered_s = [share.enter(), share.enter(in_thread=True), share.enter()]
    await until(lambda: in_flight("A") == 3)
    share.leave(entered_s[0])
    share.leave(entered_s[1], in_thread=True)
    await until(lambda: in_flight("A") == 1)
    share.leave(entered_s[2])
    await until(lambda: in_flight("A") == 0)


@in_loop
async def test_share_counts_what_is_shed() -> None:
    share, before = shares({"A": 1}, threads=8)["A"], shed("A")
    share.enter()
    for _ in range(3):
        with pytest.raises(Overloaded):
            share.enter()
    assert shed("A") == before + 3
    await until(lambda: in_flight("A") == 1)


@in_loop
async def test_share_starts_with_nothing_in_flight() -> None:
    metrics.IN_FLIGHT.labels("A").set(5)
    shares({"A": 2}, threads=8)
    assert in_flight("A") == 0


@pytest.mark.parametrize(
    ("latency_s", "retry_after_s"), [(0.0, 1), (0.5, 1), (10.0, 10), (10.01, 11)], ids=str
)
@in_loop
async def test_share_tells_the_latency_as_the_time_to_wait(
    latency_s: float, retry_after_s: int
) -> None:
    share = shares({"A": 1}, threads=8)["A"]
    share._latency_s = latency_s
    share.enter()
    with pytest.raises(Overloaded) as raised:
        share.enter()
    assert raised.value.retry_after_s == retry_after_s
    assert raised.value.message == "A has too many requests in flight"


@in_loop
async def test_share_measures_the_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now_s=1000.0)
    monkeypatch.setattr(admission, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    share = shares({"A": 1}, threads=8)["A"]
    entered_s = share.enter()
    clock.now_s += 0.05
    share.leave(entered_s)
    first_s = share._latency_s
    assert first_s == pytest.approx(0.1 * 0.05)
    share.leave(share.enter())
    assert share._latency_s < first_s
