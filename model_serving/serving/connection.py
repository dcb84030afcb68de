"""A replica's connection to one of its callers."""

import selectors
import socket
from contextlib import suppress

from model_serving.serving.wire import Cancel, FrameReader, Question

READ_BYTES = 1024 * 1024


class Connection:
    """Brings the questions of one caller, and takes the answers; it never waits."""

    def __init__(self, peer: socket.socket, selector: selectors.BaseSelector) -> None:
        self._socket = peer
        self._selector = selector
        self._reader: FrameReader[Question | Cancel] = FrameReader(Question | Cancel)
        self._unsent = bytearray()
        self.is_open = True
        peer.setblocking(False)
        selector.register(peer, selectors.EVENT_READ, self)

    def receive(self) -> list[Question | Cancel]:
        """Return what has come."""
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self._close()
            return []
        return self._reader.feed(data)

    def send(self, data: bytes | bytearray) -> None:
        """Send; what the caller does not take yet is kept until it does."""
        if self.is_open:
            self._unsent += data
            self.flush()

    def flush(self) -> None:
        """Go on sending."""
        try:
            with suppress(BlockingIOError):
                del self._unsent[: self._socket.send(self._unsent)]
        except OSError:
            self._close()
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        if self._selector.get_key(self._socket).events != events:
            self._selector.modify(self._socket, events, self)

    def _close(self) -> None:
        self.is_open = False
        self._selector.unregister(self._socket)
        self._socket.close()
