"""A connection to an address that was chosen, with one deadline for all that happens on it.

A socket's own timeout starts anew with every byte, so a slow server could hold its caller for ever.
"""

import io
import socket
import ssl
import time
from typing import Any

Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]  # of socket.getaddrinfo


class Channel(io.RawIOBase):
    """What http.client needs of a socket. Whatever comes too late raises ``TimeoutError``."""

    def __init__(self, found: Found, deadline_s: float) -> None:
        """Prepare a connection to what the resolver found, up to a time of the monotonic clock."""
        family, kind, protocol, _, self._address = found
        self._deadline_s = deadline_s
        self._socket = socket.socket(family, kind, protocol)

    def connect(self, share: float) -> None:
        """Connect, in a share of the time that is left.

        Raises:
            OSError: it cannot be reached.
        """
        self._limit(share)
        self._socket.connect(self._address)

    def secure(self, host: str) -> None:
        """Speak TLS from here on, with a server that proves to be ``host``.

        Raises:
            OSError: it does not.
        """
        self._limit()
        # SSL_CERT_FILE and SSL_CERT_DIR name authorities of one's own.
        context = ssl.create_default_context()
        self._socket = context.wrap_socket(self._socket, server_hostname=host)

    def sendall(self, data: bytes) -> None:
        """Send, as a socket does."""
        rest = memoryview(data)
        while rest:
            self._limit()
            rest = rest[self._socket.send(rest) :]

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """Return what reads the answer."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Receive, as a file does."""
        self._limit()
        return self._socket.recv_into(buffer)

    def close(self) -> None:
        """Close the connection, too."""
        self._socket.close()
        super().close()

    def _limit(self, share: float = 1.0) -> None:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s * share)
