"""File fields: pictures and other files in a body, as base64 text or as parts of a form."""

import base64
from collections.abc import Callable
from typing import Any

import orjson
from werkzeug.datastructures import FileStorage, MultiDict

from model_serving.errors import DeclarationError, InvalidBody
from model_serving.web.json import json_pointer
from model_serving.web.schema import Schema, schemas_in

# What else could be said of a file's text would be said of its base64, and hold for JSON alone.
_KEYWORDS = {"type", "contentEncoding", "contentMediaType", "title", "description"}


class FileFields:
    """The properties of a schema that are files.

    Such a property is ``{"type": "string", "contentEncoding": "base64", "contentMediaType": ...}``.
    A caller sends base64 text in JSON, or a part of that name in a multipart form.
    """

    def __init__(self, schema: dict[str, Any], owner: str = "the schema") -> None:
        """Find the file fields of an object's schema.

        Raises:
            DeclarationError: there is a file elsewhere, or a file has keywords that could not hold
                for a form's part; ``owner`` is named as the one to mend.
        """
        properties = schema.get("properties", {})
        self.names = [name for name in properties if _is_file(properties[name])]
        if len(self.names) < sum(_is_file(inner) for inner in schemas_in(schema)):
            raise DeclarationError(
                f"{owner}: only a property of the body itself can be a file (contentEncoding)"
            )
        for name in self.names:
            if extra := set(properties[name]) - _KEYWORDS:
                raise DeclarationError(
                    f"{owner}: {name!r} is a file, and {sorted(extra)[0]!r} does not apply to it; "
                    f"what does: {', '.join(sorted(_KEYWORDS))}"
                )

    def read_form(
        self,
        form: MultiDict[str, str],
        parts: MultiDict[str, FileStorage],
        accepts: Callable[[str, Any], bool],
    ) -> dict[str, Any]:
        """Return the body that a multipart form stands for, its files as bytes.

        A field's text is read as JSON where ``accepts(name, text)`` says that the text will not do.

        Raises:
            InvalidBody: a file is not one of the file fields, or a field comes twice or nameless.
        """
        body: dict[str, Any] = {}
        fields: list[tuple[str | None, list[Any]]] = [*form.lists(), *parts.lists()]
        for name, values in fields:
            if name is None:
                raise InvalidBody("A part of the form has no name")
            if len(values) > 1 or name in body:
                raise InvalidBody(f"{name!r} is there more than once", json_pointer([name]))
            value = values[0]
            is_file = isinstance(value, FileStorage)
            if is_file != (name in self.names):
                known = ", ".join(self.names)
                wrong = f"is not a file field; {known} is" if is_file else "must be sent as a file"
                raise InvalidBody(f"{name!r} {wrong}", json_pointer([name]))
            if is_file:
                body[name] = value.read()
            else:
                body[name] = value if accepts(name, value) else _parsed(value)
        return body

    def blank(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body with empty text for its files, as a schema can judge it."""
        return body | {name: "" for name in self.names if isinstance(body.get(name), bytes)}

    def decode(self, body: Any) -> Any:
        """Return the valid body with its files as bytes.

        Raises:
            InvalidBody: a field is not base64.
        """
        if not self.names or not isinstance(body, dict):
            return body
        return body | {name: _decode(name, body[name]) for name in self.names if name in body}


def _decode(name: str, content: str | bytes) -> bytes:
    if isinstance(content, bytes):
        return content
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:
        raise InvalidBody(f"{name!r} is not base64 text", json_pointer([name])) from None


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text  # The schema says best what is wrong with it.


def _is_file(schema: Schema) -> bool:
    return isinstance(schema, dict) and schema.get("contentEncoding") == "base64"
