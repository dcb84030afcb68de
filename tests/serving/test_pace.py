"""How large batches of the background become, for models of whose time the test disposes."""

import pytest

from model_serving.serving.pace import Pace


class Timed:
    """A model whose call takes some time, and each instance some more, in ms."""

    def __init__(self, call: float, each: float, most: int = 64) -> None:
        self.pace = Pace(most)
        self._call, self._each = call, each
        self.sizes: list[int] = []

    def predict(self, batches: int, foreground: int = 0, times: float = 1.0) -> int:
        """Predict batches as large as they may be, and return how large the next one may be."""
        for _ in range(batches):
            count = self.pace.size(foreground)
            self.sizes.append(count)
            taken_s = times * (self._call + self._each * count) / 1000
            self.pace.observe(count, taken_s, count > foreground)
        return self.pace.size(foreground)


DEAR, EACH, CHEAP, MIXED = (8, 0.02), (0, 4), (0.04, 0.0199), (4, 0.99)


@pytest.mark.parametrize(
    ("model", "size"),
    [(DEAR, 64), (EACH, 1), (CHEAP, 23), (MIXED, 3)],
    ids=["dear calls", "dear instances", "cheap", "both"],
)
def test_pace_lets_a_batch_take_about_as_long_as_one_alone(
    model: tuple[float, float], size: int
) -> None:
    assert Timed(*model).predict(40) == size


@pytest.mark.parametrize(
    ("model", "size"),
    [(DEAR, 64), (EACH, 8), (CHEAP, 8), (MIXED, 9)],
    ids=["dear calls", "dear instances", "cheap", "both"],
)
def test_pace_fills_batches_of_the_foreground_where_that_is_cheap(
    model: tuple[float, float], size: int
) -> None:
    timed = Timed(*model)
    timed.predict(40)
    for _ in range(5):
        timed.pace._largest = 64  # Whatever it was that limited it before.
        assert timed.pace.size(8) == size


def test_pace_doubles_at_first_and_after_a_failure() -> None:
    timed = Timed(*DEAR)
    timed.predict(8)
    assert timed.sizes == [1, 2, 4, 8, 16, 32, 64, 64]
    timed.pace.start_again()
    assert timed.predict(0) == 2


def test_pace_never_exceeds_the_largest_batch_of_the_model() -> None:
    assert Timed(*DEAR, most=5).predict(20) == 5


def test_pace_gets_over_a_moment_in_which_the_machine_was_busy() -> None:
    timed = Timed(*CHEAP)
    timed.predict(20)
    assert timed.predict(1, times=20) < 23
    assert timed.predict(60) >= 20


def test_pace_tries_two_again_some_day() -> None:
    timed = Timed(*EACH)
    timed.predict(3000)
    assert timed.sizes.count(2) > 1
    assert timed.sizes.count(2) < 60


def test_pace_takes_one_until_it_knows_how_long_that_takes() -> None:
    pace = Pace(64)
    pace.observe(16, 0.1, has_background=False)
    assert pace.size(0) == pace.size(3) == 1
