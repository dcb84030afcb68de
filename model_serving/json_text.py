"""JSON as text, read and written the same wherever it comes from: a body, a form, a file's line."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from model_serving.errors import InvalidBody


def json_bytes(data: Any) -> bytes:
    """Write the body of a response, which is also a line of a file.

    Raises:
        TypeError: the data holds something that JSON does not.
    """
    return orjson.dumps(data, option=orjson.OPT_APPEND_NEWLINE)


def not_json(error: ValueError) -> InvalidBody:
    """Return what the caller is told about a body that is no JSON."""
    return InvalidBody(f"The body is not valid JSON: {error}")


def property_value(name: str, text: str, accepts: Callable[[str, Any], bool]) -> Any:
    """Return what the text of a form's field, or of a table's cell, stands for.

    It is read as JSON where ``accepts(name, text)`` says that the property cannot be text; where it
    is no JSON either, it stays text, as the schema says best what is wrong with it.
    """
    if accepts(name, text):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def json_pointer(steps: Iterable[str | int]) -> str:
    """Write the way to a place in a JSON document as RFC 6901 does; the document itself is ''."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
