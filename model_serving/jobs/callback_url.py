"""The URL of a callback, read strictly: what one parser takes for a host is the host for all."""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from model_serving.errors import InvalidBody

_MOST_LETTERS = 2000
_LETTERS = re.compile(r"[!-\[\]^-~]+")  # ASCII that can be seen; a backslash is a slash to some.
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_PLACE = re.compile(
    rf"(\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>{_LABEL}(\.{_LABEL})*))(:(?P<port>[0-9]{{1,5}}))?",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """Where a URL leads."""

    scheme: str
    host: str  # without the brackets of IPv6
    port: int
    path: str  # with the query

    @property
    def authority(self) -> str:
        """The ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def read_url(url: str) -> Target:
    """Read a callback's URL: http or https, any port, no user.

    Raises:
        InvalidBody: it is none that can be called.
    """
    if len(url) > _MOST_LETTERS or not _LETTERS.fullmatch(url):
        raise refused(f"must be a URL of at most {_MOST_LETTERS} ASCII letters, without spaces")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise refused("is no URL") from None
    if parts.scheme not in _PORTS:
        raise refused("must start with http:// or https://")
    if "@" in parts.netloc:
        raise refused("must hold no user and no password")
    place = _PLACE.fullmatch(parts.netloc)
    if place is None or (place["ipv6"] and not _is_ipv6(place["ipv6"])):
        raise refused("has no valid host and port")
    port = int(place["port"] or _PORTS[parts.scheme])
    if not 1 <= port <= 65_535:
        raise refused("has no valid host and port")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, (place["ipv6"] or place["name"]).lower(), port, path)


def refused(why: str) -> InvalidBody:
    """Return what a caller is told about its URL."""
    return InvalidBody(f"'callback_url' {why}", "/callback_url")


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
