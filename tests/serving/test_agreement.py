import math
from typing import Any

import pytest

from model_serving.serving.agreement import difference

NAN = float("nan")


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (None, None),
        ({"a": [1, "b", None, True]}, {"a": [1, "b", None, True]}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ([0.5, {"a": 1000.0}], [0.5001, {"a": 1000.5}]),
        (0.0, 0.00005),
        (2.0, 2),
        (math.inf, math.inf),
        (b"\0", b"\0"),
        ([], []),
    ],
    ids=["none", "equal", "order", "rounded", "zero", "whole", "infinite", "bytes", "empty"],
)
def test_difference_is_none_where_there_is_none(expected: Any, actual: Any) -> None:
    assert difference(expected, actual) is None


@pytest.mark.parametrize(
    ("expected", "actual", "says"),
    [
        (1, 2, "expected 1, not 2"),
        (1.0, 1.01, "expected 1.0, not 1.01"),
        (0.0, 0.001, "expected 0.0, not 0.001"),
        (math.inf, 1e308, "expected inf, not 1e+308"),
        (10_000, 10_001, "expected 10000, not 10001"),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "expected 2 at /a/1/b, not 3"),
        ([1, 2], [1], "expected [1, 2], not [1]"),
        ({"a": [1]}, {"a": []}, "expected [1] at /a, not []"),
        ({"a": 1}, {"b": 1}, "expected {'a': 1}, not {'b': 1}"),
        ([], {}, "expected [], not {}"),
        ("1", 1, "expected '1', not 1"),
        (None, 0, "expected None, not 0"),
        (1.0, "1.0", "expected 1.0, not '1.0'"),
    ],
    ids=repr,
)
def test_difference_says_where_it_is(expected: Any, actual: Any, says: str) -> None:
    assert difference(expected, actual) == says


@pytest.mark.parametrize(
    ("expected", "actual"),
    [(True, 1), (1, True), (False, 0.0), (1.0, True), ({"ok": True}, {"ok": 1})],
    ids=repr,
)
def test_difference_tells_a_truth_value_from_a_number(expected: Any, actual: Any) -> None:
    assert difference(expected, actual) is not None


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [value]], ids=["", "listed"])
def test_difference_is_none_between_what_is_no_number(wrap: Any) -> None:
    # Two objects, as they come from two replicas.
    assert difference(wrap(NAN), wrap(-NAN)) is None


@pytest.mark.parametrize(("expected", "actual"), [(NAN, 1.0), (1.0, NAN)], ids=repr)
def test_difference_tells_a_number_from_none(expected: float, actual: float) -> None:
    assert difference(expected, actual) == f"expected {expected}, not {actual}"


def test_difference_shows_long_values_in_part() -> None:
    told = difference("x" * 10_000, "y" * 10_000)
    assert told is not None
    assert len(told) < 500
    assert told.startswith("expected 'xxx")
