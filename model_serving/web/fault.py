"""Where a body breaks its schema: the way from the whole body down to the part at fault.

The walk asks for verdicts alone, which take less time than parsing. An error of ``jsonschema-rs``
would hold copies of the part, which for a large body take up to ten times as long; ``jsonschema``
would judge it all in Python, a hundred times as long.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any] | bool
Path = list[str | int]
Judge = Callable[[Schema, Any], bool]
Resolve = Callable[[str], Schema]
# A schema inside of another, what it judges, and the step that leads there from the part around it.
Inner = tuple[Schema, Any, Path]

# Each step judges the part anew, so a body made to be deep is not followed to its end.
_MOST_STEPS = 20

# The keywords that make no sense alone, with those that they look at.
_COMPANIONS = {
    "contains": ["minContains", "maxContains"],
    "additionalProperties": ["properties", "patternProperties"],
    "items": ["prefixItems"],
}
_OF_MEMBERS = {"properties", "patternProperties", "additionalProperties"}
_LOOKING_AT_ALL = {"unevaluatedProperties", "unevaluatedItems"}


@dataclass(frozen=True)
class Fault:
    """A part of a body, and the schema that it breaks: one keyword of it, or all of it (None).

    ``path`` is the way to the part: names and indexes.
    """

    path: Path
    part: Any
    schema: Schema
    keyword: str | None = None


def find_fault(schema: Schema, body: Any, judge: Judge, resolve: Resolve) -> Fault:
    """Find a fault of a body that breaks ``schema``; ``resolve`` follows a ``$ref``."""
    fault = Fault([], body, schema)
    for _ in range(_MOST_STEPS):
        step = _step(fault, judge, resolve)
        if not isinstance(step, tuple):
            return step
        inner, part, way = step
        fault = Fault(fault.path + way, part, inner)
    return fault


def _step(fault: Fault, judge: Judge, resolve: Resolve) -> Fault | Inner:
    """Return the next schema on the way, or the fault where the way ends."""
    schema, part = fault.schema, fault.part
    if isinstance(schema, bool):
        return fault
    for keyword in schema:
        for inner in _inner_schemas(schema, keyword, part, judge, resolve):
            if not judge(inner[0], inner[1]):
                return inner
        if not judge(_alone(schema, keyword), part):
            return Fault(fault.path, part, schema, keyword)
    return fault


def _alone(schema: dict[str, Any], keyword: str) -> dict[str, Any]:
    """Return the schema with one keyword, and what that looks at emptied of other demands."""
    if keyword in _LOOKING_AT_ALL:
        return schema
    alone: dict[str, Any] = {keyword: schema[keyword]}
    for name in _COMPANIONS.get(keyword, []):
        if name in schema:
            value = schema[name]
            if isinstance(value, dict):
                value = dict.fromkeys(value, True)
            elif isinstance(value, list):
                value = [True] * len(value)
            alone[name] = value
    return alone


def _inner_schemas(
    schema: dict[str, Any], keyword: str, part: Any, judge: Judge, resolve: Resolve
) -> Iterator[Inner]:
    """Yield what a keyword asks of the part, or of parts of it, without any condition."""
    value = schema[keyword]
    if keyword == "$ref":
        yield resolve(value), part, []
    elif keyword == "allOf":
        yield from ((inner, part, []) for inner in value)
    elif keyword in ("then", "else") and "if" in schema:
        if judge(schema["if"], part) == (keyword == "then"):
            yield value, part, []
    elif keyword == "dependentSchemas" and isinstance(part, dict):
        yield from ((value[name], part, []) for name in value if name in part)
    elif keyword == "propertyNames" and isinstance(part, dict):
        yield from ((value, name, []) for name in part)
    elif keyword in _OF_MEMBERS and value is not False and isinstance(part, dict):
        for name, member in part.items():
            yield from (
                (inner, member, [name]) for inner in _of_member(schema, keyword, name, judge)
            )
    elif isinstance(part, list):
        yield from _of_items(schema, keyword, part, judge)


def _of_member(schema: dict[str, Any], keyword: str, name: str, judge: Judge) -> list[Schema]:
    """Return what a keyword asks of an object's member called ``name``."""
    value = schema[keyword]
    if keyword == "properties":
        return [value[name]] if name in value else []
    patterns = schema.get("patternProperties", {})
    matching = [pattern for pattern in patterns if judge({"pattern": pattern}, name)]
    if keyword == "patternProperties":
        return [patterns[pattern] for pattern in matching]
    known = matching or name in schema.get("properties", {})
    return [] if known else [value]


def _of_items(
    schema: dict[str, Any], keyword: str, part: list[Any], judge: Judge
) -> Iterator[Inner]:
    value = schema[keyword]
    if keyword == "prefixItems":
        for index, (inner, item) in enumerate(zip(value, part, strict=False)):
            yield inner, item, [index]
    elif keyword == "items" and value is not False:
        first = len(schema.get("prefixItems", []))
        # Halve the array until the first wrong item is left: a verdict for each would take long.
        end = len(part)
        if not judge({"items": value}, part[first:]):
            while end - first > 1:
                middle = (first + end) // 2
                if judge({"items": value}, part[first:middle]):
                    first = middle
                else:
                    end = middle
            yield value, part[first], [first]
