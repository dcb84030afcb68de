"""JSON by orjson, for every request and response of the app."""

from typing import Any

import orjson
from flask import Response, make_response
from flask.json.provider import JSONProvider

from model_serving.json_text import json_bytes


class OrjsonProvider(JSONProvider):
    """Make Flask's ``request.json`` and ``jsonify`` strict and fast.

    What RFC 8259 does not know (NaN, Infinity, a BOM, broken UTF-8) and nesting beyond 1,024 levels
    raise ``ValueError``; of duplicate keys the last counts.
    """

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read JSON."""
        return orjson.loads(s)

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Write JSON."""
        return orjson.dumps(obj).decode()


def output_json(data: Any, status: int, headers: dict[str, str] | None = None) -> Response:
    """Write a response; Flask-RESTful calls this for whatever a resource returns.

    Raises:
        TypeError: the data holds something that JSON does not.
    """
    response = make_response(json_bytes(data), status, headers or {})
    response.mimetype = "application/json"
    return response
