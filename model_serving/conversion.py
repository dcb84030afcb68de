"""The text of settings, converted to the types of a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from model_serving.errors import ConfigError
from model_serving.place import ROOT

Table = TypeVar("Table", bound=msgspec.Struct)


def typed(given: Mapping[str, tuple[str, str]], table: type[Table]) -> Table:
    """Make a ``table`` of texts that each come with their source.

    Raises:
        ConfigError: a key the table does not have, or a value its type does not allow.
    """
    types = {field.encode_name: field.type for field in msgspec.structs.fields(table)}
    values = {}
    for key, (text, source) in given.items():
        if key not in types:
            raise ConfigError(f"{source}: unknown setting {key!r}; known are {', '.join(types)}")
        values[key] = parse(text, types[key], key, source)
    return table(**values)


def parse(text: str, kind: Any, key: str, source: str) -> Any:
    """Read ``text`` as a value of the type ``kind``; lists are separated by commas.

    A relative ``Path`` starts at the project's folder, from wherever the service was started.

    Raises:
        ConfigError: the type does not allow it; ``key`` and ``source`` say which setting that is.
    """
    allowed = msgspec.json.schema(kind, schema_hook=lambda _: {"type": "string", "minLength": 1})
    kinds = [choice.get("type") for choice in allowed.get("anyOf", [allowed])]
    words: str | list[str] = text.strip()
    if "array" in kinds:
        words = [word for part in text.split(",") if (word := part.strip())]
    try:
        return msgspec.convert(words, kind, strict=False, dec_hook=_path)
    except msgspec.ValidationError:
        raise ConfigError(
            f"{key} = {shown(repr(text), allowed)} (from {source}): "
            f"allowed is {allowed_words(allowed)}"
        ) from None


def shown(text: str, schema: Mapping[str, Any]) -> str:
    """Return the text of a setting as anybody may see it: not that of a secret."""
    return "***" if text and "writeOnly" in schema else text


def _path(_: type, name: str) -> Path:
    if not name:
        raise ValueError
    return ROOT / name


def allowed_words(allowed: Mapping[str, Any]) -> str:
    """Say in words what the JSON Schema of a setting allows."""
    if "enum" in allowed:
        return " or ".join(choice for choice in allowed["enum"] if choice)
    if "anyOf" in allowed:
        return " or ".join(allowed_words(choice) for choice in allowed["anyOf"])
    kinds = {
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "array": "a list separated by commas",
        "null": "nothing",
    }
    bounds = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "to",
    }
    text = "text that is not empty" if "minLength" in allowed else "text"
    words = [kinds.get(allowed.get("type", ""), text)]
    words += [f"{word} {allowed[bound]}" for bound, word in bounds.items() if bound in allowed]
    if "pattern" in allowed:
        words.append(f"matching {allowed['pattern']}")
    if "pattern" in allowed.get("items", {}):
        words.append(f"each matching {allowed['items']['pattern']}")
    return " ".join(words)
