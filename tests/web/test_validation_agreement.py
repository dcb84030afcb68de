"""jsonschema, which words the errors, and jsonschema-rs, which judges, agree on every body."""

from collections import Counter
from typing import Any

import jsonschema
import jsonschema_rs
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_serving.errors import InvalidBody
from model_serving.web.validation import BodyValidator

Json = dict[str, Any]

NUMBERS = st.one_of(
    st.integers(-2, 12),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(-2, 12).map(lambda number: round(number, 1)),
    st.floats(-1e15, 1e15),
)
TEXTS = st.one_of(st.text("abc19", max_size=4), st.text(max_size=3))
SMALL = NUMBERS | TEXTS | st.booleans() | st.none()
NAMES = st.sampled_from(["a", "b", "kind", "name", "size", "x-1", "x-2"])
LISTS = st.lists(NUMBERS | SMALL, max_size=4)
OBJECTS = st.dictionaries(NAMES, NUMBERS | TEXTS, max_size=3)
TREES = st.recursive(
    st.fixed_dictionaries({"value": st.integers(0, 9)}),
    lambda inner: st.fixed_dictionaries({"value": SMALL, "children": st.lists(inner)}),
    max_leaves=4,
)
ANY_JSON = st.recursive(
    SMALL,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | TEXTS, inner, max_size=3),
    max_leaves=8,
)

# The features that docs/schemas.md lists: a schema of each, and bodies that come near to it.
FEATURES: dict[str, tuple[Json, st.SearchStrategy[Any]]] = {
    "type": ({"type": ["integer", "null", "boolean"]}, SMALL),
    "enum": (
        {"enum": [1, "a", None, [1], {"a": 1}]},
        st.sampled_from([1, "a", [1], {"a": 1.0}, 2]),
    ),
    "const": ({"const": {"a": [1, 2]}}, st.sampled_from([{"a": [1, 2.0]}, {"a": [2, 1]}])),
    "minimum, maximum": ({"type": "number", "minimum": -1.5, "maximum": 10}, NUMBERS),
    "exclusiveMinimum, exclusiveMaximum": ({"exclusiveMinimum": 0, "exclusiveMaximum": 9}, NUMBERS),
    "multipleOf": ({"type": "integer", "multipleOf": 3}, st.integers(-9, 9)),
    "minLength, maxLength": ({"type": "string", "minLength": 1, "maxLength": 3}, TEXTS),
    "pattern": ({"type": "string", "pattern": "^[a-c]+[0-9]?$"}, TEXTS),
    "properties, required": (
        {
            "type": "object",
            "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
            "required": ["name"],
        },
        st.builds(lambda name, other: other | {"name": name}, TEXTS, OBJECTS),
    ),
    "additionalProperties": (
        {"properties": {"a": {"type": "number"}}, "additionalProperties": {"type": "string"}},
        OBJECTS,
    ),
    "additionalProperties, false": (
        {"properties": {"a": {}, "b": {}}, "additionalProperties": False},
        OBJECTS,
    ),
    "patternProperties": ({"patternProperties": {"^x-": {"type": "integer"}}}, OBJECTS),
    "propertyNames": ({"propertyNames": {"maxLength": 2}}, OBJECTS),
    "minProperties, maxProperties": (
        {"type": "object", "minProperties": 1, "maxProperties": 2},
        OBJECTS,
    ),
    "dependentRequired": ({"dependentRequired": {"a": ["b"]}}, OBJECTS),
    "items, minItems, maxItems": (
        {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 3},
        st.lists(NUMBERS, max_size=4),
    ),
    "prefixItems": (
        {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
        st.tuples(TEXTS, NUMBERS).map(list) | LISTS,
    ),
    "contains, minContains, maxContains": (
        {"type": "array", "contains": {"type": "integer"}, "maxContains": 2},
        LISTS,
    ),
    "uniqueItems": ({"type": "array", "uniqueItems": True}, st.lists(st.integers(0, 9) | SMALL)),
    "allOf": ({"allOf": [{"type": "integer"}, {"minimum": 0}]}, NUMBERS),
    "anyOf": ({"anyOf": [{"type": "string", "maxLength": 2}, {"minimum": 5}]}, NUMBERS | TEXTS),
    "oneOf": ({"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]}, NUMBERS),
    "not": ({"not": {"type": "string"}}, NUMBERS | TEXTS),
    "if, then, else": (
        {"if": {"required": ["kind"]}, "then": {"required": ["a"]}, "else": {"maxProperties": 1}},
        OBJECTS,
    ),
    "$defs, $ref": (
        {
            "$defs": {
                "tree": {
                    "properties": {
                        "value": {"type": "integer"},
                        "children": {"items": {"$ref": "#/$defs/tree"}},
                    },
                    "required": ["value"],
                    "additionalProperties": False,
                }
            },
            "$ref": "#/$defs/tree",
        },
        TREES | OBJECTS,
    ),
}


def _travels(body: Any) -> bool:
    try:
        return bool(orjson.dumps(body))
    except TypeError:  # half of a surrogate pair
        return False


def travelled(bodies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return the bodies as a caller's JSON would bring them."""
    return bodies.filter(_travels).map(lambda body: orjson.loads(orjson.dumps(body)))


@pytest.mark.parametrize(("schema", "near"), FEATURES.values(), ids=FEATURES.keys())
def test_both_libraries_agree_on_a_body(schema: Json, near: st.SearchStrategy[Any]) -> None:
    slow = jsonschema.Draft202012Validator(schema)
    fast = jsonschema_rs.Draft202012Validator(schema)
    ours = BodyValidator(schema, "a test")
    verdicts: Counter[bool] = Counter()

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(travelled(near | ANY_JSON))
    def agree(body: Any) -> None:
        valid = slow.is_valid(body)
        verdicts[valid] += 1
        assert fast.is_valid(body) == valid
        assert _accepts(ours, body) == valid

    agree()
    assert min(verdicts[True], verdicts[False]) > 0


def _accepts(validator: BodyValidator, body: Any) -> bool:
    try:
        validator.check(body)
    except InvalidBody as error:
        _follow(error.path, body)
        return False
    return True


def _follow(pointer: str, body: Any) -> None:
    """Fail where the pointer leads to no part of the body."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        body = body[int(name)] if isinstance(body, list) else body[name]


def _combined() -> st.SearchStrategy[Json]:
    plain = st.sampled_from([schema for schema, _ in FEATURES.values() if "$ref" not in schema])
    inside = st.one_of(
        plain,
        st.builds(lambda schema: {"properties": {"a": schema, "b": schema}}, plain),
        st.builds(lambda schema: {"type": "array", "items": schema}, plain),
    )
    lists = st.lists(inside, min_size=1, max_size=3)
    return st.dictionaries(st.sampled_from(["allOf", "anyOf", "oneOf"]), lists, min_size=1)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(_combined(), travelled(ANY_JSON))
def test_both_libraries_agree_on_combined_schemas(schema: Json, body: Any) -> None:
    valid = jsonschema.Draft202012Validator(schema).is_valid(body)
    assert _accepts(BodyValidator(schema, "a test"), body) == valid
