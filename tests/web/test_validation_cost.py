"""What a large invalid body costs, beside the valid one it was made of.

The figures are ratios of processor time within one run (`pytest -rP` prints them). Bodies have
about `BODY_MB` (2). The bound is twice, and half as much again for the noise of a shared machine;
where that does not do, it is measured again.
"""

import math
import os
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from model_serving.errors import InvalidBody
from model_serving.web.validation import BodyValidator

BODY_MB = int(os.environ.get("BODY_MB", "2"))
COUNT = 100_000 * BODY_MB
BOUND = 3
MOST_ROUNDS = 20
NUMBERS = [number * 0.37 for number in range(COUNT)]
PIXELS = {
    "type": "object",
    "properties": {
        "pixels": {"type": "array", "items": {"type": "number"}, "maxItems": COUNT},
        "note": {"type": "string", "maxLength": 100},
    },
    "required": ["pixels"],
    "additionalProperties": False,
}
TREE = {"$defs": {"A": {"items": {"$ref": "#/$defs/A"}, "type": "array"}}, "$ref": "#/$defs/A"}


def tree(*last: object) -> Any:
    """Return an array of many arrays, deep inside of arrays."""
    value: list[Any] = [*([[]] * COUNT), *last]
    for _ in range(8):
        value = [value]
    return value


VALID = {"pixels": NUMBERS}
MEMBERS = {f"m{number}": number for number in range(COUNT)}
LONG = {"xxxxxxxxxx": 1}
# Each a schema, a body that breaks it, and one that does not.
CASES: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "last number is text": (PIXELS, {"pixels": [*NUMBERS[:-1], "x"]}, VALID),
    "all numbers are text": (PIXELS, {"pixels": ["0.37"] * COUNT}, VALID),
    "one number too many": (PIXELS, {"pixels": [*NUMBERS, 1]}, VALID),
    "not an array": (PIXELS, {"pixels": {"a": NUMBERS}}, VALID),
    "not an object": (PIXELS, NUMBERS, VALID),
    "misses a property": (PIXELS, {"pixel": NUMBERS}, VALID),
    "has an unexpected property": (PIXELS, {"pixels": NUMBERS, "more": 1}, VALID),
    "text too long": (PIXELS, {"pixels": [], "note": "x" * (1_000_000 * BODY_MB)}, VALID),
    "no alternative fits": ({"anyOf": [{"maxItems": 3}, {"type": "object"}]}, NUMBERS, VALID),
    "contains no text": ({"contains": {"type": "string"}}, NUMBERS, [*NUMBERS, "x"]),
    "is what it must not be": ({"not": {"type": "array"}}, NUMBERS, VALID),
    "numbers not unique": ({"uniqueItems": True}, [*NUMBERS, 0.37], NUMBERS),
    "last of many members is text": (
        {"additionalProperties": {"type": "number"}},
        MEMBERS | {"last": "x"},
        MEMBERS,
    ),
    "last of many names is long": ({"propertyNames": {"maxLength": 9}}, MEMBERS | LONG, MEMBERS),
    "last of many names matches": ({"patternProperties": {"x": False}}, MEMBERS | LONG, MEMBERS),
    "wrong deep inside": (TREE, tree(5), tree()),
}


def cpu_s(call: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    start_s = time.process_time()
    call()
    return time.process_time() - start_s


def ratio(call: Callable[[], object], other: Callable[[], object]) -> float:
    """Return how many times the processor time of another a call takes, the least of each.

    They are made in turn, for as many rounds as it takes to come within the bound.
    """
    least_s = other_s = math.inf
    for number in range(MOST_ROUNDS):
        least_s = min(least_s, cpu_s(call))
        other_s = min(other_s, cpu_s(other))
        if number and least_s / other_s < BOUND:
            break
    return least_s / other_s


def judge(validator: BodyValidator, raw: bytes) -> str | None:
    """Do what a request's body costs: parse it and validate it."""
    try:
        validator.check(orjson.loads(raw))
    except InvalidBody as error:
        return error.message
    return None


@pytest.mark.parametrize(("schema", "invalid", "valid"), CASES.values(), ids=CASES.keys())
def test_invalid_body_costs_little_more_than_a_valid_one(
    schema: dict[str, Any], invalid: Any, valid: Any, request: pytest.FixtureRequest
) -> None:
    validator = BodyValidator(schema, "a test")
    wrong, right = orjson.dumps(invalid), orjson.dumps(valid)
    assert judge(validator, wrong)
    assert judge(validator, right) is None
    found = ratio(lambda: judge(validator, wrong), lambda: judge(validator, right))
    print(f"{request.node.callspec.id}: {len(wrong) / 1e6:.1f} MB, {found:.2f}")
    assert found < BOUND
