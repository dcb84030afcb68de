"""The headers that every response carries."""

import re
from random import getrandbits

REQUEST_ID_HEADER = "X-Request-ID"
SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)


def request_id(sent: str | None) -> str:
    """Return the caller's id where it is sane (it goes into the log and back), else a new one."""
    return sent if sent and SANE_ID.fullmatch(sent) else f"{getrandbits(128):032x}"


def common_headers(id_: str) -> dict[str, str]:
    """Return them, with a request's id."""
    return {REQUEST_ID_HEADER: id_, "X-Content-Type-Options": "nosniff"}
