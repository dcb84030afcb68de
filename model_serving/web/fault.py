"""Where a body breaks its schema: the way from the whole body down to the part at fault.

The walk asks for verdicts alone, which take less time than parsing. An error of ``jsonschema-rs``
would hold copies of the part, which for a large body take up to ten times as long; ``jsonschema``
would judge it all in Python, a hundred times as long.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from model_serving.web.schema import Schema

Path = list[str | int]
Judge = Callable[[Schema, Any], bool]
Resolve = Callable[[str], Schema]
# A schema inside of another, what it judges, and the step that leads there from the part around it.
Inner = tuple[Schema, Any, Path]

# Each step judges the part anew, so a body made to be deep is not followed to its end.
_MAX_STEPS = 20

# The keywords that look at others beside them.
_COMPANIONS = {
    "additionalProperties": ["properties", "patternProperties"],
    "contains": ["minContains", "maxContains"],
    "else": ["if"],
    "items": ["prefixItems"],
    "then": ["if"],
}
_OF_MEMBERS = {"properties", "patternProperties", "additionalProperties"}


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
    for _ in range(_MAX_STEPS):
        if isinstance(fault.schema, bool):
            break
        broken = (
            keyword
            for keyword in fault.schema
            if not judge(_alone(fault.schema, keyword), fault.part)
        )
        keyword = next(broken, None)
        if keyword is None:
            break
        inner = _inner(fault.schema, keyword, fault.part, judge, resolve)
        if inner is None:
            return replace(fault, keyword=keyword)
        schema, part, way = inner
        fault = Fault(fault.path + way, part, schema)
    return fault


def _alone(schema: dict[str, Any], keyword: str) -> dict[str, Any]:
    """Return the schema with one keyword, and no demand but its own."""
    alone: dict[str, Any] = {keyword: schema[keyword]}
    for name in _COMPANIONS.get(keyword, []):
        if name == "prefixItems" and name in schema:
            alone[name] = [True] * len(schema[name])
        elif name in ("properties", "patternProperties") and name in schema:
            alone[name] = dict.fromkeys(schema[name], True)
        elif name in schema:
            alone[name] = schema[name]
    return alone


def _inner(
    schema: dict[str, Any], keyword: str, part: Any, judge: Judge, resolve: Resolve
) -> Inner | None:
    """Return the schema inside of a broken keyword that is to blame; None: the keyword is."""
    value = schema[keyword]
    if keyword == "$ref":
        return resolve(value), part, []
    if keyword in ("then", "else"):
        return value, part, []
    if keyword == "allOf":
        return next((inner, part, []) for inner in value if not judge(inner, part))
    if keyword == "prefixItems":
        wrong = (at for at, inner in enumerate(value[: len(part)]) if not judge(inner, part[at]))
        at = next(wrong)
        return value[at], part[at], [at]
    if value is False:
        return None
    if keyword in _OF_MEMBERS:
        return _of_member(schema, keyword, part, judge)
    if keyword == "propertyNames":
        names = list(part)
        at = _first_wrong(0, len(names), lambda some: judge({"items": value}, names[some]))
        return value, names[at], []
    if keyword == "items":
        first = len(schema.get("prefixItems", []))
        at = _first_wrong(first, len(part), lambda some: judge({"items": value}, part[some]))
        return value, part[at], [at]
    return None


def _of_member(schema: dict[str, Any], keyword: str, part: dict[str, Any], judge: Judge) -> Inner:
    """Return what the first wrong member of an object breaks."""
    value = schema[keyword]
    alone = _alone(schema, keyword)
    names, members = list(part), list(part.values())

    def right(some: slice) -> bool:
        return judge(alone, dict(zip(names[some], members[some], strict=True)))

    at = _first_wrong(0, len(names), right)
    name, member = names[at], members[at]
    if keyword == "properties":
        return value[name], member, [name]
    if keyword == "patternProperties":
        matching = (value[pattern] for pattern in value if judge({"pattern": pattern}, name))
        value = next(inner for inner in matching if not judge(inner, member))
    return value, member, [name]


def _first_wrong(start: int, end: int, right: Callable[[slice], bool]) -> int:
    """Return the index of the first item from start to end that is wrong, by halving the list.

    A verdict for each single item would take long.
    """
    while end - start > 1:
        middle = (start + end) // 2
        if right(slice(start, middle)):
            start = middle
        else:
            end = middle
    return start
