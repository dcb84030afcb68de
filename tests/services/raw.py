"""A client that sends bytes as they stand, and reads what comes back."""

import socket
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import orjson

from tests.services.processes import PATIENCE_S

CONTINUE, NO_CONTENT, NOT_MODIFIED = 100, 204, 304


@dataclass(frozen=True)
class Answer:
    """A response; ``before`` are the provisional ones, and header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    before: list[int] = field(default_factory=list)

    @property
    def json(self) -> Any:
        """The body."""
        return orjson.loads(self.body)

    @property
    def ends(self) -> bool:
        """Whether it announces the end of its connection."""
        return self.headers.get("connection", "").lower() == "close"


class Raw:
    """A connection."""

    def __init__(self, url: str, *data: bytes, buffer_bytes: int | None = None) -> None:
        """Connect, and send; ``buffer_bytes`` are as many as are taken while nobody reads."""
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        parts = urlsplit(url)
        self.socket.connect((parts.hostname, parts.port))
        self._file = self.socket.makefile("rb")
        self.send(*data)

    def send(self, *data: bytes) -> None:
        """Send, each of the parts in a segment of its own."""
        for part in data:
            self.socket.sendall(part)

    def end(self) -> None:
        """Send no more, and listen."""
        self.socket.shutdown(socket.SHUT_WR)

    def answer(self, method: str = "POST") -> Answer:
        """Return the next answer, to a request of that method.

        Raises:
            ConnectionError: there is none, or not all of it.
        """
        before: list[int] = []
        while True:
            version, _, rest = self._line().partition(" ")
            if not version.startswith("HTTP/1."):
                raise ConnectionError(f"that is no answer: {version} {rest}")
            status = int(rest[:3])
            headers = self._headers()
            if status >= 200:
                return Answer(status, headers, self._body(method, status, headers), before)
            before.append(status)

    def provisional(self) -> int:
        """Return the status of a provisional answer, which must come next."""
        status = int(self._line().split()[1])
        assert not self._headers()
        return status

    def is_over(self) -> bool:
        """Wait until there is more to read, or the end; tell which."""
        try:
            return not self._file.peek(1)
        except ConnectionError:
            return True

    def close(self) -> None:
        """Leave."""
        self._file.close()
        self.socket.close()

    def _line(self) -> str:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"the connection has ended after {line!r}")
        return line[:-2].decode("latin-1")

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            known = headers.get(name.lower())
            headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
        return headers

    def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status in (NO_CONTENT, NOT_MODIFIED):
            return b""
        if headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(self._line(), 16):
                parts.append(self._exactly(size))
                self._line()
            self._line()
            return b"".join(parts)
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        return self._file.read()

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise ConnectionError("the answer breaks off")
        return data

    def __enter__(self) -> "Raw":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()


def request(
    line: str = "POST /v1/XXXModel HTTP/1.1", body: bytes | None = None, *fields: str
) -> bytes:
    """Write a request; a body brings its length and says that it is JSON."""
    own = [f"Content-Length: {len(body)}", "Content-Type: application/json"] if body else []
    return "\r\n".join([line, "Host: test", *own, *fields, "", ""]).encode("latin-1") + (
        body or b""
    )


def plain(name: str = "Leo", *fields: str) -> bytes:
    """Write a request that the asgi lane answers itself."""
    return request("POST /v1/XXXModel HTTP/1.1", b'{"name": "%b"}' % name.encode(), *fields)


def faulty(do: str, value: Any, *fields: str) -> bytes:
    """Write a request that has the faulty model do something."""
    body = orjson.dumps({"do": do, "value": value})
    return request("POST /v1/FaultyModel HTTP/1.1", body, *fields)


def greets(answer: Answer, name: str = "Leo") -> bool:
    """Say whether it is the right answer to a plain request."""
    return (answer.status, answer.body) == (200, b'{"result":"Hello, %b!"}\n' % name.encode())
