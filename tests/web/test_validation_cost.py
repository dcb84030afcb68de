"""What an invalid body of 10 MB costs, beside the valid one it was made of.

The figures are ratios of processor time within one run (`pytest -rP` prints them). The bound is
twice, and half as much again for the noise of a shared machine.
"""

import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from model_serving.errors import InvalidBody
from model_serving.web.validation import BodyValidator

COUNT = 1_000_000
NUMBERS = [number * 0.37 for number in range(COUNT)]
VALIDATOR = BodyValidator(
    {
        "type": "object",
        "properties": {
            "pixels": {"type": "array", "items": {"type": "number"}, "maxItems": COUNT},
            "note": {"type": "string", "maxLength": 100},
        },
        "required": ["pixels"],
        "additionalProperties": False,
    },
    "a test",
)
BODIES = {
    "last number is text": {"pixels": [*NUMBERS[:-1], "x"]},
    "all numbers are text": {"pixels": ["0.37"] * COUNT},
    "one number too many": {"pixels": [*NUMBERS, 1]},
    "not an array": {"pixels": {"a": NUMBERS}},
    "not an object": NUMBERS,
    "misses a property": {"pixel": NUMBERS},
    "has an unexpected property": {"pixels": NUMBERS, "more": 1},
    "text too long": {"pixels": [], "note": "x" * 10_000_000},
}


def least_cpu_s(*calls: Callable[[], object]) -> list[float]:
    """Return the least processor time of each call, of five rounds that make them in turn."""
    times: list[list[float]] = []
    for _ in range(5):
        times.append([])
        for call in calls:
            start_s = time.process_time()
            call()
            times[-1].append(time.process_time() - start_s)
    return [min(column) for column in zip(*times, strict=True)]


def judge(raw: bytes) -> str | None:
    """Do what a request's body costs: parse it and validate it."""
    try:
        VALIDATOR.check(orjson.loads(raw))
    except InvalidBody as error:
        return error.message
    return None


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_invalid_body_costs_little_more_than_a_valid_one(
    body: Any, request: pytest.FixtureRequest
) -> None:
    valid, raw = orjson.dumps({"pixels": NUMBERS}), orjson.dumps(body)
    assert judge(valid) is None
    assert judge(raw) is not None
    valid_s, invalid_s = least_cpu_s(lambda: judge(valid), lambda: judge(raw))
    ratio = invalid_s / valid_s
    print(f"{request.node.callspec.id}: {len(raw) / 1e6:.1f} MB, {ratio:.2f} of a valid body")
    assert ratio < 3
