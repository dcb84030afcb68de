"""JSON Schemas as trees: the schemas inside of a schema, and the keywords that may stand in one."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

# Keywords by what they hold: schemas by names, a list of schemas, a schema, or something else.
BY_NAME = {"$defs", "properties", "patternProperties"}
LISTED = {"allOf", "anyOf", "oneOf", "prefixItems"}
SINGLE = {
    "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then",
}  # fmt: skip
PLAIN = {
    "$comment", "$ref", "$schema", "const", "contentEncoding", "contentMediaType", "default",
    "dependentRequired", "deprecated", "description", "enum", "examples", "exclusiveMaximum",
    "exclusiveMinimum", "format", "maxContains", "maxItems", "maxLength", "maxProperties",
    "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf",
    "pattern", "readOnly", "required", "title", "type", "uniqueItems", "writeOnly",
}  # fmt: skip
KEYWORDS = BY_NAME | LISTED | SINGLE | PLAIN

Schema = dict[str, Any] | bool


def schemas_in(schema: Schema) -> Iterator[dict[str, Any]]:
    """Yield a valid schema and all schemas inside of it, but for plain true and false."""
    if isinstance(schema, bool):
        return
    yield schema
    for keyword, value in schema.items():
        inner = []
        if keyword in BY_NAME:
            inner = list(value.values())
        elif keyword in LISTED:
            inner = value
        elif keyword in SINGLE:
            inner = [value]
        for each in inner:
            yield from schemas_in(each)


def rebased(schema: Any, base: str) -> Any:
    """Return a schema with its references into itself (``#/...``) starting at ``base``."""
    if not isinstance(schema, dict):
        return schema
    moved = dict(schema)
    for keyword, value in schema.items():
        if keyword in BY_NAME:
            moved[keyword] = {name: rebased(inner, base) for name, inner in value.items()}
        elif keyword in LISTED:
            moved[keyword] = [rebased(inner, base) for inner in value]
        elif keyword in SINGLE:
            moved[keyword] = rebased(value, base)
        elif keyword == "$ref" and value.startswith("#"):
            moved[keyword] = base + value[1:]
    return moved


def schema_at(schema: Any, fragment: str) -> Schema:
    """Return what a URI fragment, such as ``/$defs/name``, points to (RFC 6901, section 6)."""
    for step in unquote(fragment).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        schema = schema[int(name) if isinstance(schema, list) else name]
    found: Schema = schema
    return found
