"""Validation of a request's body against its JSON Schema (draft 2020-12).

``jsonschema-rs`` gives the verdict, at the speed of parsing. ``jsonschema`` checks the schemas at
the start and words the errors; being slow, it is shown only the part of the body that failed.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import jsonschema
import jsonschema.validators
import jsonschema_rs
from jsonschema.protocols import Validator
from referencing import Registry

from model_serving.errors import DeclarationError, InvalidBody
from model_serving.web.json import json_pointer
from model_serving.web.request import current_request
from model_serving.web.uploads import FileFields

P = ParamSpec("P")
R = TypeVar("R")

# A part of more letters and values than this is not printed, and no message is longer.
_LONGEST_PRINTED = 1000
_PRINTS_NAMES_ALONE = {"required", "dependentRequired", "additionalProperties"}

# The keywords whose verdict may hang on what an array holds.
_DEEP_KEYWORDS = {
    "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "enum", "const",
    "items", "prefixItems", "contains", "uniqueItems", "unevaluatedItems", "unevaluatedProperties",
    "$dynamicRef",
}  # fmt: skip
_WHOLE_DEFINITION = re.compile(r"#/\$defs/[^/]+")


class BodyValidator:
    """A JSON Schema, compiled once."""

    def __init__(self, schema: Mapping[str, Any], owner: str) -> None:
        """Check and compile ``schema``.

        Raises:
            DeclarationError: it is not a valid schema, or refers to something outside of itself;
                ``owner`` is named as the one to mend.
        """
        try:
            _Wording.check_schema(schema)
            self._schema = dict(schema)
            self._verdict = _compile(self._schema)
            self._outline = _compile(_outline_of(self._schema))
        except (jsonschema.SchemaError, jsonschema_rs.ValidationError) as error:
            path = error.path if isinstance(error, jsonschema.SchemaError) else error.instance_path
            place = json_pointer(path) or "its root"
            raise DeclarationError(
                f"{owner}: the schema is wrong at {place}: {error.message}"
            ) from None
        self._wording: Validator = _Wording(self._schema, registry=Registry())

    def check(self, body: Any) -> None:
        """Accept a body of plain JSON data.

        Raises:
            InvalidBody: the body breaks the schema; with a message and the path of the field.
        """
        if self._verdict.is_valid(body):
            return
        error = self._find_error(body)
        path, part = _follow(error.instance_path, body)
        message = self._word(error, part)
        if len(message) > _LONGEST_PRINTED:
            message = message[:_LONGEST_PRINTED] + "…"
        raise InvalidBody(message, json_pointer(path))

    def _find_error(self, body: Any) -> jsonschema_rs.ValidationError:
        """Find an error of a body that has one.

        An error carries a copy of the part that failed, which for a body of many numbers takes
        several times as long as parsing it. So the outline is asked first: the schema without what
        looks into arrays, over the body with its arrays hollowed out. What breaks the outline
        breaks the schema.
        """
        for validator, judged in ((self._outline, _hollow(body)), (self._verdict, body)):
            try:
                validator.validate(judged)
            except jsonschema_rs.ValidationError as error:
                return error
            except ValueError:  # The library copies no more than 255 levels.
                raise InvalidBody("The body is nested too deep, and not valid") from None
        raise AssertionError("jsonschema-rs contradicts its own verdict")

    def _word(self, error: jsonschema_rs.ValidationError, part: Any) -> str:
        """Let jsonschema word the error; fall back on the masked words of jsonschema-rs."""
        *place, keyword = error.schema_path
        _, schema = _follow(place, self._schema)
        check = _Wording.VALIDATORS.get(str(keyword))
        told = keyword in _PRINTS_NAMES_ALONE or (
            error.kind.name != "falseSchema" and _printable(part)
        )
        if check is None or not told:
            return error.message
        try:
            words = check(self._wording.evolve(schema=schema), schema[keyword], part, schema)
            return next((found.message for found in words), error.message)
        except RecursionError:
            return error.message


def validate_json(
    schema: Mapping[str, Any], force: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a resource's method so that it is only called with a body that ``schema`` accepts.

    The method reads the body as ``request.json``. With ``force`` the body counts as JSON whatever
    its content type. A schema with file fields accepts a multipart form too.

    Raises:
        DeclarationError: the schema is wrong; the decorated method is named.
        NoJSONObject: (per request) there is no body, or one not declared as JSON.
        InvalidBody: (per request) the body is not JSON or breaks the schema.
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        owner = (
            type(method.__self__).__name__ if hasattr(method, "__self__") else method.__qualname__
        )
        validator = BodyValidator(schema, owner)
        files = FileFields(schema, owner)

        @wraps(method)
        def validated(*args: P.args, **kwargs: P.kwargs) -> R:
            request = current_request()
            if files.names and request.mimetype == "multipart/form-data":
                request.form_as_json = files.read_form(request.form, request.files)
                validator.check(files.blank(request.form_as_json))
            else:
                validator.check(request.get_json(force=force))
            return method(*args, **kwargs)

        validated.body_schema = schema  # type: ignore[attr-defined]  # for the OpenAPI document
        return validated

    return decorate


def _compile(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, mask="the value", offline=True)


def _pattern(
    _validator: Validator, pattern: str, instance: Any, _schema: Mapping[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    """Word a pattern's error by the verdict of jsonschema-rs, whose matching takes linear time."""
    if not jsonschema_rs.is_valid({"pattern": pattern}, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_Wording = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"pattern": _pattern}
)


def _outline_of(schema: Any) -> Any:
    """Return the schema without the keywords whose verdict may hang on what an array holds."""
    if not isinstance(schema, dict):
        return schema
    outline = {key: value for key, value in schema.items() if key not in _DEEP_KEYWORDS}
    if not _WHOLE_DEFINITION.fullmatch(outline.get("$ref", "")):
        outline.pop("$ref", None)  # It may point to what is left out.
    for key in ("properties", "patternProperties", "$defs"):
        if key in outline:
            outline[key] = {name: _outline_of(inner) for name, inner in outline[key].items()}
    for key in ("additionalProperties", "propertyNames"):
        if key in outline:
            outline[key] = _outline_of(outline[key])
    return outline


def _hollow(value: Any) -> Any:
    """Return the value with nulls for what its arrays hold, at their true lengths."""
    if isinstance(value, dict):
        return {name: _hollow(inner) for name, inner in value.items()}
    return [None] * len(value) if isinstance(value, list) else value


def _follow(steps: Sequence[str | int], whole: Any) -> tuple[list[str | int], Any]:
    """Return the way that ``steps`` lead into ``whole``, and the part at its end.

    jsonschema-rs gives a name that reads as a number (``"1"``, ``"01"``) as that number.
    """
    path: list[str | int] = []
    part = whole
    for step in steps:
        if isinstance(part, dict) and step not in part:
            alike = (name for name in part if name.lstrip("+0") == str(step).lstrip("0"))
            step = str(step) if str(step) in part else next(alike)
        path.append(step)
        part = part[step]
    return path, part


def _printable(part: Any) -> bool:
    """Say whether a part is short, counting its values and letters until they are too many."""
    size = 0
    rest = [part]
    while rest:
        value = rest.pop()
        size += len(value) if isinstance(value, str | list | dict) else 1
        if size > _LONGEST_PRINTED:
            return False
        if isinstance(value, dict):
            rest += [*value, *value.values()]
        elif isinstance(value, list):
            rest += value
    return True
