"""Result files over HTTP: whole or in parts, for good, and never as a page that runs something."""

import mimetypes
import re
from datetime import UTC, datetime
from typing import Any

from flask import Response, request
from flask_restful import Resource
from werkzeug.exceptions import NotFound, PreconditionFailed, RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from model_serving.files import NAME, Assets
from model_serving.web.documentation import Answer, Documentation, documented

_RANGE = re.compile(r"bytes=(?=.*\d)(\d*)-(\d*)", re.ASCII)
# What a browser may show in its window; anything else is saved.
_SHOWN = {"image/avif", "image/gif", "image/jpeg", "image/png", "image/webp", "text/plain"}
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",  # The name is that of the content.
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


class AssetFile(Resource):
    """A file of a prediction."""

    def __init__(self, assets: Assets) -> None:
        self.store = assets.store

    @documented(
        Documentation(
            "Fetch a result file", {200: Answer("The file")}, errors=(404, 412, 416, 500, 503)
        )
    )
    def get(self, name: str) -> Any:
        """Answer the file, the part of it that is asked for, or that the caller has it already.

        Raises:
            NotFound: there is no file of this name, or no longer.
            PreconditionFailed, RequestedRangeNotSatisfiable: the caller asks for another file.
            StorageFailed: the files cannot be reached.
        """
        opened = self.store.open(name) if NAME.fullmatch(name) else None
        if opened is None:
            raise NotFound
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        stream = wrap_file(request.environ, opened.stream)
        response = Response(stream, mimetype=media_type, direct_passthrough=True, headers=_HEADERS)
        if media_type not in _SHOWN:
            response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        response.call_on_close(opened.stream.close)
        response.content_length = opened.size_bytes
        response.last_modified = datetime.fromtimestamp(opened.modified_s, UTC)
        response.set_etag(name.partition(".")[0])
        asked = dict(request.environ)
        if not _is_one_range(asked.get("HTTP_RANGE", ""), opened.size_bytes):
            asked.pop("HTTP_RANGE", None)
        try:
            response.make_conditional(asked, accept_ranges=True, complete_length=opened.size_bytes)
            if response.status_code == PreconditionFailed.code:
                raise PreconditionFailed
        except (PreconditionFailed, RequestedRangeNotSatisfiable):
            response.close()
            raise
        return response


def _is_one_range(text: str, size_bytes: int) -> bool:
    """Say whether a part of the file is asked for; else the whole answers it (RFC 9110, 14.2)."""
    asked = _RANGE.fullmatch(text)
    return asked is not None and (bool(asked[1]) or int(asked[2]) < size_bytes)
