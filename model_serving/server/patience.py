"""How long a connection waits for its client.

The worker lets each connection look at its clock now and then, so that slow clients are told off
without a timer for each request.
"""

import asyncio
import math
from enum import Enum, auto
from typing import Any

from model_serving.config import Config
from model_serving.server.connection import Connection

SLOWEST_BODY = 1000  # Bytes per second; who is slower gets no time for more.
DISCARD_S = 5.0  # How long the rest of a refused request is read, so that its sender is told.


class Phase(Enum):
    """What a connection waits for."""

    IDLE = auto()  # the next request
    HEADERS = auto()
    BODY = auto()
    ANSWER = auto()
    DISCARD = auto()  # the end of what its client still sends


class PatientConnection(Connection):
    """A connection that knows what it waits for, and since when."""

    worker: Any

    def __init__(self, worker: Any, settings: Config) -> None:
        super().__init__(worker)
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop = worker.loop
        self._has_ended = False  # Its client sends no more.
        self._is_sending = False
        self._unsent_bytes, self._moved_s = 0, self._loop.time()
        self._enter(Phase.HEADERS)

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._is_sending = False
        self._since_s = self._loop.time()
        self._received_bytes = 0

    def check(self, now_s: float) -> None:
        """End the connection if its client takes too long."""
        waited_s = now_s - self._since_s
        if self._is_stuck(now_s) or (self._phase is Phase.DISCARD and waited_s > DISCARD_S):
            self.transport.abort()
        elif self._phase is Phase.IDLE and waited_s > self._keepalive:
            self._end()
        elif waited_s > self._patience_s():
            if self._received_bytes or self._phase is Phase.BODY:
                self._send_error_response(408, f"no whole request in {waited_s:.0f} s")
            self._end()
            self._task.cancel()

    def _is_stuck(self, now_s: float) -> bool:
        """Say whether the client has taken nothing of what waits for it for too long."""
        unsent_bytes = self.transport.get_write_buffer_size()
        if not unsent_bytes or unsent_bytes != self._unsent_bytes:
            self._unsent_bytes, self._moved_s = unsent_bytes, now_s
        return bool(now_s - self._moved_s > self._settings.body_timeout_s)

    def _patience_s(self) -> float:
        if self._phase is Phase.HEADERS:
            return self._settings.header_timeout_s
        if self._phase is Phase.BODY:
            return self._settings.body_timeout_s + self._received_bytes / SLOWEST_BODY
        return math.inf

    def end_if_idle(self) -> None:
        """Close the connection, unless there is a request."""
        if self._phase is Phase.IDLE or (self._phase is Phase.HEADERS and not self._received_bytes):
            self._enter(Phase.IDLE)  # There is nothing to discard.
            self._end()

    def _end(self) -> None:
        self._close_transport()
        self._request_ready.set()  # It ends the server's own task.

    def _cancel_keepalive_timer(self) -> None:
        """There is no timer: the worker calls ``check``."""

    def _close_transport(self) -> None:
        """Close; where the client still sends, after it has seen the answer."""
        is_sending = self._phase in (Phase.HEADERS, Phase.BODY) and not self._has_ended
        if self._closed or not is_sending:
            super()._close_transport()
            return
        self._closed = True
        self._enter(Phase.DISCARD)
        self._resume_reading()
        self.transport.write_eof()
