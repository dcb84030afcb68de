"""File fields: pictures and other files in a body, as base64 text or as parts of a form."""

import binascii
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from werkzeug.datastructures import FileStorage, MultiDict

from model_serving.errors import DeclarationError, InvalidBody, TooLarge
from model_serving.json_text import json_pointer, property_value
from model_serving.web.content import can_be_told, holds
from model_serving.web.schema import Schema, schemas_in

# What else could be said of a file's text would be said of its base64, and hold for JSON alone.
_KEYWORDS = {"type", "contentEncoding", "contentMediaType", "title", "description"}
_LIST_KEYWORDS = {"type", "items", "minItems", "maxItems", "title", "description"}
_CHOICE_KEYWORDS = {"anyOf", "title", "description"}
FILE_LIMITS = "FILE_LIMITS"  # in the app's configuration
_ANY = "application/octet-stream"


class Limits(NamedTuple):
    """What a request may hold of files, at most."""

    file_bytes: int
    files: int


class _Field(NamedTuple):
    """A property that is a file, or a list of them."""

    media_type: str
    is_list: bool
    parts: tuple[tuple[Schema, set[str]], ...]  # its schemas, and what they may say


class FileFields:
    """The properties of a schema that are files.

    Such a property is ``{"type": "string", "contentEncoding": "base64", "contentMediaType": ...}``,
    an array of these, or ``anyOf`` both. A caller sends base64 text in JSON, or one part or several
    of that name in a multipart form.
    """

    def __init__(self, schema: dict[str, Any], owner: str = "the schema") -> None:
        """Find the file fields of an object's schema.

        Raises:
            DeclarationError: there is a file elsewhere, a file has keywords that could not hold for
                a form's part, or a media type that cannot be told from the content; ``owner`` is
                named as the one to mend.
        """
        properties = schema.get("properties", {})
        found = {name: _file_field(inner) for name, inner in properties.items()}
        self._fields = {name: field for name, field in found.items() if field is not None}
        known = sum(_is_file(part) for field in self._fields.values() for part, _ in field.parts)
        if known < sum(_is_file(inner) for inner in schemas_in(schema)):
            raise DeclarationError(
                f"{owner}: only a property of the body itself can be a file, or a list of files "
                "(contentEncoding)"
            )
        for name, field in self._fields.items():
            _check_declaration(name, field, owner)

    @property
    def names(self) -> list[str]:
        """The properties' names."""
        return list(self._fields)

    def binary(self) -> dict[str, Schema]:
        """Return the properties as OpenAPI has them in a form."""
        one = {"type": "string", "format": "binary"}
        return {
            name: {"type": "array", "items": one} if field.is_list else one
            for name, field in self._fields.items()
        }

    def read_form(
        self,
        form: MultiDict[str, str],
        parts: MultiDict[str, FileStorage],
        accepts: Callable[[str, Any], bool],
    ) -> dict[str, Any]:
        """Return the body that a multipart form stands for, its files as bytes.

        A field's text is read as JSON where ``accepts(name, text)`` says that the text will not do.

        Raises:
            InvalidBody: a file is not one of the file fields, or has a name that is none; or a
                field comes twice or nameless.
        """
        body: dict[str, Any] = {}
        for name, texts in form.lists():
            self._check_part(name, texts, body, is_file=False)
            body[name] = property_value(name, texts[0], accepts)
        for name, files in parts.lists():
            chosen = [file for file in files if file.filename or file.stream.read(1)]
            if not chosen:
                continue  # A browser sends a field in which no file was chosen, too.
            self._check_part(name, chosen, body, is_file=True)
            contents = [_content(name, file) for file in chosen]
            body[name] = contents if self._fields[name].is_list else contents[0]
        return body

    def _check_part(
        self, name: str | None, values: list[Any], body: dict[str, Any], is_file: bool
    ) -> None:
        if name is None:
            raise InvalidBody("A part of the form has no name")
        pointer = json_pointer([name])
        if is_file != (name in self._fields):
            known = ", ".join(self._fields)
            wrong = f"is not a file field; {known} is" if is_file else "must be sent as a file"
            raise InvalidBody(f"{name!r} {wrong}", pointer)
        may_repeat = is_file and self._fields[name].is_list
        if name in body or (len(values) > 1 and not may_repeat):
            raise InvalidBody(f"{name!r} is there more than once", pointer)

    def blank(self, body: Any) -> Any:
        """Return the body with empty text for its files, of which the schema says no more."""
        if not self._fields or not isinstance(body, dict):
            return body
        return body | {name: _blank(body[name]) for name in self._fields if name in body}

    def decode(self, body: Any, limits: Limits | None = None) -> Any:
        """Return the valid body with its files as bytes, lists of them where there may be several.

        Raises:
            InvalidBody: a field is not base64, or its content is not of the media type.
            TooLarge: there are too many files, or one of them is too large.
        """
        if not self._fields or not isinstance(body, dict):
            return body
        count, decoded = 0, dict(body)
        for name, field in self._fields.items():
            if name not in body:
                continue
            several = isinstance(body[name], list)
            contents = list(body[name]) if several else [body[name]]
            count += len(contents)
            if limits is not None and count > limits.files:
                message = f"There are more files than the {limits.files} allowed"
                raise TooLarge(message, json_pointer([name]))
            for number in range(len(contents)):
                pointer = json_pointer([name, number] if several else [name])
                contents[number] = _file(name, contents[number], field, limits, pointer)
            decoded[name] = contents if field.is_list else contents[0]
        return decoded


def _file(
    name: str, content: str | bytes, field: _Field, limits: Limits | None, pointer: str
) -> bytes:
    data = content if isinstance(content, bytes) else _decoded(name, content, limits, pointer)
    if limits is not None and len(data) > limits.file_bytes:
        raise _too_large(name, limits, pointer)
    if not holds(data, field.media_type):
        raise InvalidBody(f"{name!r} is not a file of the type {field.media_type}", pointer)
    return data


def _decoded(name: str, text: str, limits: Limits | None, pointer: str) -> bytes:
    if limits is not None and len(text) // 4 > limits.file_bytes // 3 + 1:  # Not worth the work.
        raise _too_large(name, limits, pointer)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise InvalidBody(f"{name!r} is not base64 text", pointer) from None


def _too_large(name: str, limits: Limits, pointer: str) -> TooLarge:
    message = f"{name!r} is a file of more than the {limits.file_bytes} bytes allowed"
    return TooLarge(message, pointer)


def _blank(value: Any) -> Any:
    if isinstance(value, list):
        return ["" if isinstance(one, str | bytes) else one for one in value]
    return "" if isinstance(value, str | bytes) else value


def _content(name: str, file: FileStorage) -> bytes:
    """Read a part; nobody uses its file name, but one that leads elsewhere means no good."""
    file_name = file.filename or ""
    if "\0" in file_name or ".." in PurePosixPath(file_name.replace("\\", "/")).parts:
        raise InvalidBody(f"The name of the file {name!r} is not allowed", json_pointer([name]))
    file.stream.seek(0)
    return file.stream.read()


def _is_file(schema: Schema) -> bool:
    return isinstance(schema, dict) and schema.get("contentEncoding") == "base64"


def _is_list(schema: Schema) -> bool:
    return (
        isinstance(schema, dict)
        and schema.get("type") == "array"
        and _is_file(schema.get("items", True))
    )


def _file_field(schema: Schema) -> _Field | None:
    """Return what a property's schema says of files, if it is one or several."""
    if not isinstance(schema, dict):
        return None
    if _is_file(schema):
        return _Field(_media_type([schema]), False, ((schema, _KEYWORDS),))
    choices = schema.get("anyOf", [])
    lists = [choice for choice in (schema, *choices) if _is_list(choice)]
    files = [choice for choice in choices if _is_file(choice)]
    if not lists or len(lists) + len(files) < len(choices):
        return None
    items = [one["items"] for one in lists]
    outer = [(schema, _CHOICE_KEYWORDS)] if choices else []
    inner = [*((one, _LIST_KEYWORDS) for one in lists), *((f, _KEYWORDS) for f in items + files)]
    return _Field(_media_type(items + files), True, (*outer, *inner))


def _media_type(schemas: Iterable[dict[str, Any]]) -> str:
    return next((one["contentMediaType"] for one in schemas if "contentMediaType" in one), _ANY)


def _check_declaration(name: str, field: _Field, owner: str) -> None:
    for part, allowed in field.parts:
        if isinstance(part, dict) and (extra := set(part) - allowed):
            raise DeclarationError(
                f"{owner}: {name!r} is a file, and {sorted(extra)[0]!r} does not apply to it; "
                f"what does: {', '.join(sorted(allowed))}"
            )
    if not can_be_told(field.media_type):
        raise DeclarationError(
            f"{owner}: {name!r} is a file of the type {field.media_type!r}, which cannot be told "
            f"from its content; {_ANY} is any file"
        )
