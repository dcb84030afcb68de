"""File fields: pictures and other files in a body, as base64 text or as parts of a form."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson
from werkzeug.datastructures import FileStorage, MultiDict

from model_serving.errors import DeclarationError, InvalidBody
from model_serving.web.json import json_pointer

# What else could be said of a file's text would be said of its base64, and hold for JSON alone.
_KEYWORDS = {"type", "contentEncoding", "contentMediaType", "title", "description"}


class FileFields:
    """The properties of a schema that are files.

    Such a property is ``{"type": "string", "contentEncoding": "base64", "contentMediaType": ...}``.
    A caller sends base64 text in JSON, or a part of that name in a multipart form.
    """

    def __init__(self, schema: Mapping[str, Any], owner: str = "the schema") -> None:
        """Find the file fields of an object's schema.

        Raises:
            DeclarationError: a file property has keywords that could not hold for a form's part;
                ``owner`` is named as the one to mend.
        """
        self._properties: Mapping[str, Any] = schema.get("properties", {})
        self.names = [
            name
            for name, field in self._properties.items()
            if isinstance(field, dict) and field.get("contentEncoding") == "base64"
        ]
        for name in self.names:
            if extra := set(self._properties[name]) - _KEYWORDS:
                raise DeclarationError(
                    f"{owner}: {name!r} is a file, and {sorted(extra)[0]!r} does not apply to it; "
                    f"what does: {', '.join(sorted(_KEYWORDS))}"
                )

    def read_form(
        self, form: MultiDict[str, str], parts: MultiDict[str, FileStorage]
    ) -> dict[str, Any]:
        """Return the body that a multipart form stands for, its files as bytes.

        Raises:
            InvalidBody: a part is not one of the file fields, or a field comes twice.
        """
        body: dict[str, Any] = {}
        fields: list[tuple[str, list[Any]]] = [*form.lists(), *parts.lists()]
        for name, values in fields:
            if len(values) > 1 or name in body:
                raise InvalidBody(f"{name!r} is there more than once", json_pointer([name]))
            value = values[0]
            is_file = isinstance(value, FileStorage)
            if is_file != (name in self.names):
                wrong = "is not a file field" if is_file else "must be sent as a file"
                raise InvalidBody(f"{name!r} {wrong}", json_pointer([name]))
            body[name] = value.read() if is_file else self._typed(name, value)
        return body

    def _typed(self, name: str, text: str) -> Any:
        """Read a form's text as JSON where the schema asks for something other than text."""
        field = self._properties.get(name)
        if not isinstance(field, dict) or field.get("type", "string") == "string":
            return text
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text  # The schema says best what is wrong with it.

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
    except (binascii.Error, ValueError):
        raise InvalidBody(f"{name!r} is not base64 text", json_pointer([name])) from None
