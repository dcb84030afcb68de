"""The parameters of a URL's query, each of which may be missing."""

from collections.abc import Iterable

from flask import request

from model_serving.errors import BadRequest

_MOST_SHOWN = 100  # letters of what a caller sent


def check_known(*names: str) -> None:
    """Refuse parameters of other names, which may be slips.

    Raises:
        BadRequest: there is one.
    """
    if other := next((name for name in request.args if name not in names), None):
        known = ", ".join(names)
        raise BadRequest(f"The parameter {other[:_MOST_SHOWN]!r} is unknown; known are {known}")


def chosen(name: str, allowed: Iterable[str]) -> str | None:
    """Return a parameter that is one of a few.

    Raises:
        BadRequest: it is something else.
    """
    text = request.args.get(name)
    if text is not None and text not in allowed:
        raise _wrong(name, f"one of {', '.join(allowed)}", text)
    return text


def whole_number(name: str, default: int, most: int) -> int:
    """Return a parameter that is a number from 1.

    Raises:
        BadRequest: it is something else.
    """
    text = request.args.get(name, str(default))
    is_short = len(text) <= len(str(most)) and text.isascii() and text.isdigit()
    if not (is_short and 1 <= int(text) <= most):
        raise _wrong(name, f"a whole number from 1 to {most}", text)
    return int(text)


def _wrong(name: str, allowed: str, text: str) -> BadRequest:
    return BadRequest(f"{name!r} must be {allowed}, not {text[:_MOST_SHOWN]!r}")
