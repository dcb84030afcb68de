"""Validation of a request's body against its JSON Schema (draft 2020-12).

``jsonschema-rs`` gives the verdicts, at the speed of parsing. ``jsonschema`` checks the schemas at
the start and words the errors; being slow, it is shown only the part of the body that failed.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import jsonschema
import jsonschema.validators
import jsonschema_rs
import orjson
from flask import current_app
from jsonschema.protocols import Validator

from model_serving.errors import DeclarationError, InvalidBody
from model_serving.json_text import json_pointer
from model_serving.web.fault import Fault, find_fault
from model_serving.web.request import ServiceRequest, current_request
from model_serving.web.schema import KEYWORDS, Schema, rebased, schema_at, schemas_in
from model_serving.web.uploads import FILE_LIMITS, FileFields

P = ParamSpec("P")
R = TypeVar("R")

# The schema's name for itself, by which a piece of it still finds the whole.
_WHOLE = "urn:body"
# A part of more letters and values than this is not printed, and no message is longer.
_MAX_PRINTED = 1000


class BodyValidator:
    """A JSON Schema, compiled once."""

    def __init__(self, schema: dict[str, Any], owner: str) -> None:
        """Check and compile ``schema``.

        Raises:
            DeclarationError: it is not a valid schema, or refers to something outside of itself;
                ``owner`` is named as the one to mend.
        """
        try:
            _Wording.check_schema(schema)
            _check_keywords(schema, owner)
            jsonschema_rs.Draft202012Validator(schema, offline=True)  # finds what leads nowhere
            self._schema = rebased(schema, f"{_WHOLE}#")
            self._registry = jsonschema_rs.Registry([(_WHOLE, self._schema)])
            self._accepts = self._compiled(self._schema).is_valid
            self._accepts_property = {
                name: self._compiled(inner).is_valid
                for name, inner in self._schema.get("properties", {}).items()
            }
        except (jsonschema.SchemaError, jsonschema_rs.ValidationError) as error:
            path = error.path if isinstance(error, jsonschema.SchemaError) else error.instance_path
            place = json_pointer(path) or "its root"
            raise DeclarationError(
                f"{owner}: the schema is wrong at {place}: {error.message}"
            ) from None
        self._wording: Validator = _Wording({"$id": _WHOLE, **self._schema})

    def check(self, body: Any) -> None:
        """Accept a body of plain JSON data.

        Raises:
            InvalidBody: the body breaks the schema; with a message and the path of the field.
        """
        if self._accepts(body):
            return
        fault = find_fault(self._schema, body, self._judge, self._resolve)
        message = self._word(fault)
        if len(message) > _MAX_PRINTED:
            message = message[:_MAX_PRINTED] + "…"
        raise InvalidBody(message, json_pointer(fault.path))

    def accepts_property(self, name: str, value: Any) -> bool:
        """Say whether the schema of an object's property accepts a value."""
        return name not in self._accepts_property or self._accepts_property[name](value)

    def _compiled(self, schema: Schema) -> jsonschema_rs.Draft202012Validator:
        return jsonschema_rs.Draft202012Validator(schema, registry=self._registry, offline=True)

    def _judge(self, schema: Schema, part: Any) -> bool:
        return self._compiled(schema).is_valid(part)

    def _resolve(self, reference: str) -> Schema:
        return schema_at(self._schema, reference.removeprefix(f"{_WHOLE}#"))

    def _word(self, fault: Fault) -> str:
        """Let jsonschema word the error, or name the keyword where the part is too large for it."""
        validator = self._wording.evolve(schema=fault.schema)
        if isinstance(fault.schema, bool) or fault.keyword is None:
            asked = fault.schema
            errors = validator.iter_errors(fault.part)
        else:
            asked = {fault.keyword: fault.schema[fault.keyword]}
            check = validator.VALIDATORS[fault.keyword]
            errors = check(validator, asked[fault.keyword], fault.part, fault.schema)
        if _printable(_shown(fault)):
            with suppress(RecursionError, StopIteration):
                return str(next(iter(errors)).message)
        return "The value breaks its schema: " + orjson.dumps(asked).decode().replace(_WHOLE, "")


def validate_json(
    schema: dict[str, Any], force: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a resource's method so that it is only called with a body that ``schema`` accepts.

    The method reads the body as ``request.json``, file fields as bytes. With ``force`` the body
    counts as JSON whatever its content type. A schema with file fields accepts a form too.

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
            body = read_body(request, files, validator, force)
            validator.check(files.blank(body))
            if files.names:
                request.replace_json(body)  # Its text is of no use any more, and may be long.
                body = files.decode(body, current_app.config.get(FILE_LIMITS))
                request.replace_json(body)
            return method(*args, **kwargs)

        validated.body_schema = schema  # type: ignore[attr-defined]  # for the OpenAPI document
        return validated

    return decorate


def read_body(
    request: ServiceRequest, files: FileFields, validator: BodyValidator, force: bool = False
) -> Any:
    """Return a request's body, JSON or a form, which is not checked yet.

    Raises:
        NoJSONObject, InvalidBody: there is none.
    """
    if files.names and request.mimetype == "multipart/form-data":
        return files.read_form(request.form, request.files, validator.accepts_property)
    return request.get_json(force=force)


def _check_keywords(schema: dict[str, Any], owner: str) -> None:
    """Refuse keywords on which the two libraries may differ, and slips such as ``requierd``."""
    for inner in schemas_in(schema):
        unknown = [word for word in inner if word not in KEYWORDS and not word.startswith("x-")]
        if unknown:
            raise DeclarationError(
                f"{owner}: the schema has an unknown keyword {unknown[0]!r}; "
                "docs/schemas.md lists what can be used"
            )


def _pattern(
    _validator: Validator, pattern: str, instance: Any, _schema: Mapping[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    """Word a pattern's error by the verdict of jsonschema-rs, whose matching takes linear time."""
    if not jsonschema_rs.is_valid({"pattern": pattern}, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_Wording = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"pattern": _pattern}
)


def _shown(fault: Fault) -> Any:
    """Return what the words on a fault print of its part."""
    if fault.keyword in ("required", "dependentRequired"):
        return None
    return list(fault.part) if fault.keyword == "additionalProperties" else fault.part


def _printable(part: Any) -> bool:
    """Say whether a part is short, counting its values and letters until they are too many."""
    size = 0
    rest = [part]
    while rest:
        value = rest.pop()
        size += len(value) if isinstance(value, str | list | dict) else 1
        if size > _MAX_PRINTED:
            return False
        if isinstance(value, dict):
            rest += [*value, *value.values()]
        elif isinstance(value, list):
            rest += value
    return True
