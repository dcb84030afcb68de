"""What a large invalid body costs, beside the valid one it was made of.

The figures are ratios of processor time within one run (`pytest -rP` prints them). Lists of numbers
and texts have `BODY_MB` (2). The bound is twice, and half as much again for the noise of a shared
machine.
"""

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
    value: list[Any] = [*([[]] * 300_000), *last]
    for _ in range(8):
        value = [value]
    return value


VALID = {"pixels": NUMBERS}
MEMBERS = {f"m{number}": number for number in range(500_000)}
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
    wrong_s, right_s = least_cpu_s(lambda: judge(validator, wrong), lambda: judge(validator, right))
    print(f"{request.node.callspec.id}: {len(wrong) / 1e6:.1f} MB, {wrong_s / right_s:.2f}")
    assert wrong_s / right_s < 3
