"""The progress: a bar on a terminal, else a line now and then."""

import io

import pytest

from model_serving.score.progress import Progress, duration


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds; the test sets it."""
    now_s = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    return now_s


def test_progress_on_a_terminal_is_a_bar_with_rate_and_time_left(clock: list[float]) -> None:
    stream = Terminal()
    progress = Progress("XXXModel", stream)
    for clock[0], done in ((0, 0), (50, 0), (60, 3_000)):  # Nobody began for 50 s.
        progress.show(done, done // 1000, done / 12_000)
    shown = stream.getvalue().rpartition("\r")[2]
    assert shown == (
        "XXXModel  25% [######..................] 3,000 done, 3 failed, 300/s, 0:30 left\x1b[K"
    )


def test_progress_elsewhere_is_a_line_every_few_seconds(clock: list[float]) -> None:
    stream = io.StringIO()
    progress = Progress("XXXModel", stream)
    for clock[0] in range(8):
        progress.show(0, 0, 0.0, "waits")
    progress.end()
    assert stream.getvalue() == "XXXModel   0% 0 done (waits)\n" * 2


def test_duration_has_hours_where_there_are_some() -> None:
    assert [duration(seconds) for seconds in (7, 3723)] == ["0:07", "1:02:03"]
