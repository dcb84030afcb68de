from pathlib import Path

import pytest

from model_serving.figures import SECONDS, SIZES, SUFFIX, Figures


def test_histogram_counts_a_value_at_its_bound_and_below() -> None:
    sizes = Figures().batch_size
    for value in (1, 1.5, 2, 3, 1024, 1025):
        sizes.observe(value)
    assert sizes.counts == [1, 2, 1, *[0] * 7, 1, 1]
    assert (sizes.sum, sizes.bounds) == (2056.5, SIZES)


def test_figures_keep_their_histograms_apart() -> None:
    figures = Figures()
    figures.queue_wait.observe(0.002)
    figures.inference.observe(100)
    figures.drop("caller left")
    assert figures.queue_wait.counts == [0, 1, *[0] * (len(SECONDS) - 1)]
    assert figures.inference.counts == [*[0] * len(SECONDS), 1]
    assert figures.dropped == {"deadline passed": 0, "caller left": 1}
    assert figures.batch_size.sum == 0


def test_figures_go_on_where_a_predecessor_was_killed(tmp_path: Path) -> None:
    path = tmp_path / f"AModel-0-1{SUFFIX}"
    Figures(path).inference.observe(0.5)  # Nothing is closed or flushed.
    successor = Figures(path)
    successor.inference.observe(1.5)
    assert Figures(path).inference.sum == 2
    assert sum(successor.inference.counts) == 2


@pytest.mark.parametrize("left", [b"", b"short"], ids=repr)
def test_figures_take_a_file_that_is_too_short(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "a").write_bytes(left)
    figures = Figures(tmp_path / "a")
    figures.drop("deadline passed")
    assert Figures(tmp_path / "a").dropped["deadline passed"] == 1
