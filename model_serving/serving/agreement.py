"""Whether what a model answers is what is expected, up to the rounding of its floats."""

import math
from typing import Any

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-3, 1e-4


def difference(expected: Any, actual: Any, path: str = "") -> str | None:
    """Say where ``actual`` differs, by its JSON pointer; None: nowhere."""
    if isinstance(expected, dict) and isinstance(actual, dict) and expected.keys() == actual.keys():
        parts = [(str(key), expected[key], actual[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        parts = [(str(i), *pair) for i, pair in enumerate(zip(expected, actual, strict=True))]
    elif _is_same(expected, actual):
        return None
    else:
        where = f" at {path}" if path else ""
        return f"expected {_short(expected)}{where}, not {_short(actual)}"
    differences = (difference(old, new, f"{path}/{key}") for key, old, new in parts)
    return next((found for found in differences if found), None)


def _is_same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, float) and isinstance(actual, int | float):
        return (math.isnan(expected) and math.isnan(actual)) or math.isclose(
            expected, actual, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE
        )
    return bool(expected == actual)


def _short(value: Any, limit: int = 200) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."
