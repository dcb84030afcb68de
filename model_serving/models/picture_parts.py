"""The parts of a picture's file: whether anything is in it that is not needed to show the picture.

Names, places and thumbnails may stand in a part that no decoder reports, or behind the end.
So the parts that are known to be harmless are listed, and every other one counts.
"""

import re
import struct

PNG_PARTS = {
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"),
    *(b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs"),
}
WEBP_PARTS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
# Segments for applications, and comments. Of these, the start and the largest size, if one holds.
JPEG_EXTRAS = {*range(0xE0, 0xF0), 0xFE}
JPEG_PARTS = {0xE0: (b"JFIF\0", 16), 0xE2: (b"ICC_PROFILE\0", 65535), 0xEE: (b"Adobe", 14)}
JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
JPEG_SCAN, JPEG_END = 0xDA, 0xD9
GIF_CONTROL, GIF_APPLICATION, GIF_LOOP = 0xF9, 0xFF, b"\x0bNETSCAPE2.0\x03"


def is_bare(data: bytes, name: str) -> bool:
    """Tell whether the file of this format holds the pixels and a colour profile alone."""
    try:
        return _WALKS[name](data)
    except (IndexError, struct.error):
        return False


def _is_bare_png(data: bytes) -> bool:
    at, kind = 8, b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind not in PNG_PARTS:
            return False
        at += 12 + size
    return at == len(data)


def _is_bare_webp(data: bytes, at: int = 12) -> bool:
    while at < len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        if kind not in WEBP_PARTS:
            return False
        if kind == b"ANMF" and not _is_bare_webp(data[at + 8 : at + 8 + size], at=16):
            return False
        at += 8 + size + size % 2
    return at == len(data)


def _is_bare_jpeg(data: bytes) -> bool:
    at = 2
    while data[at + 1] != JPEG_END:
        start, marker, size = struct.unpack_from(">BBH", data, at)
        if start != 0xFF:
            return False
        if marker in JPEG_EXTRAS:
            opening, largest = JPEG_PARTS.get(marker, (b"", 0))
            if size > largest or not data.startswith(opening, at + 4):
                return False
        at += 2 + size
        if marker == JPEG_SCAN:
            found = JPEG_MARKER.search(data, at)
            if found is None:
                return False
            at = found.start()
    return at + 2 == len(data)


def _is_bare_gif(data: bytes) -> bool:
    at = 13 + _table_size(data[10])
    while data[at] != ord(";"):
        if data[at] == ord(","):
            at = _after_blocks(data, at + 11 + _table_size(data[at + 9]))
        elif data[at + 1] == GIF_CONTROL and data[at + 2] == 4:
            at = at + 8
        elif data[at + 1] == GIF_APPLICATION and data.startswith(GIF_LOOP, at + 2):
            at = at + 19
        else:
            return False
    return at + 1 == len(data)


def _table_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 128 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


_WALKS = {
    "jpeg": _is_bare_jpeg,
    "png": _is_bare_png,
    "webp": _is_bare_webp,
    "gif": _is_bare_gif,
}
