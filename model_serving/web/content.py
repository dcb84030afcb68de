"""What a file is, by its content: what its sender says of it counts for nothing."""

import mimetypes
from fnmatch import fnmatchcase

import orjson
import puremagic

_ANY = {"application/octet-stream", "*/*"}
_HEAD_BYTES = 65_536  # All signatures are within.


def can_be_told(media_type: str) -> bool:
    """Say whether it can be found out that a file is of this type, such as ``image/*``."""
    if media_type in _ANY or _is_text(media_type) or media_type == "application/json":
        return True
    entries = puremagic.magic_header_array
    known = {name for entry in entries for name in _names(entry.mime_type, entry.extension)}
    return any(fnmatchcase(one, media_type) for one in known)


def holds(content: bytes, media_type: str) -> bool:
    """Say whether this is a file of the type.

    Formats are told by their signatures, text by being UTF-8 without a NUL.
    """
    if media_type in _ANY:
        return True
    if _is_text(media_type):
        return _is_utf8(content) and b"\0" not in content
    if media_type == "application/json":
        return _is_json(content)
    return any(fnmatchcase(one, media_type) for one in _candidates(content))


def _candidates(content: bytes) -> set[str]:
    try:
        matches = puremagic.magic_string(content[:_HEAD_BYTES])
    except (puremagic.PureError, ValueError):  # Nothing is like it, or it is empty.
        return set()
    return {name for match in matches for name in _names(match.mime_type, match.extension)}


def _names(mime_type: str, extension: str) -> set[str]:
    """Return what a format is called: `image/bmp`, say, is also `image/x-ms-bmp`."""
    registered = mimetypes.guess_type(f"file{extension}")[0]
    return {name for name in (mime_type, mime_type.replace("/x-", "/"), registered) if name}


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_json(content: bytes) -> bool:
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return True
