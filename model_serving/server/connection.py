"""gunicorn's HTTP connection on an event loop, mended where it differs from its other workers.

It reads URLs as they do, refuses in JSON, knows no WebSockets, announces each end of a connection,
and reads no more from a client that does not take its answers.
"""

import logging
from typing import Any
from urllib.parse import unquote_to_bytes

from gunicorn.asgi.parser import CallbackRequest, InvalidRequestLine
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.util import split_request_uri

from model_serving.server.refusal import refusal

log = logging.getLogger("service")


class Connection(ASGIProtocol):
    """A client's connection."""

    transport: Any
    # Those of the base class, which is not typed.
    _body_receiver: Any
    _callback_parser: Any
    _closed: bool
    _current_request: Any
    _flow_control: Any
    _request_ready: Any
    _task: Any

    def _feed_callback_parser(self, data: bytes) -> bool:
        try:
            return bool(super()._feed_callback_parser(data))
        except ValueError as error:  # A length of thousands of digits.
            self._send_error_response(400, str(error))
            self._close_transport()
            return False

    def _on_headers_complete(self) -> Any:
        result = super()._on_headers_complete()
        read_target(self._current_request)
        return result

    def _is_websocket_upgrade(self, request: CallbackRequest) -> bool:
        return False

    def _will_close(self, request: CallbackRequest, response_requires_close: bool) -> bool:
        """Announce the end where the body has not been read, as the base class then closes."""
        receiver = self._body_receiver
        is_unread = receiver is not None and not receiver._complete
        return is_unread or bool(super()._will_close(request, response_requires_close))

    def pause_writing(self) -> None:
        """Let a client that takes nothing ask nothing."""
        super().pause_writing()
        self._pause_reading()

    def resume_writing(self) -> None:
        """Let it ask again."""
        super().resume_writing()
        self._resume_reading()

    def _resume_reading(self) -> None:
        if not self._flow_control.write_paused:
            super()._resume_reading()

    def _send_error_response(self, status: int, message: str, extra_headers: Any = ()) -> None:
        log.info("refused with %d: %s", status, message)
        self._safe_write(refusal(status))


def read_target(request: CallbackRequest) -> None:
    """Take the path and query out of a whole URL (RFC 9112, section 3.2.2), or one with a fragment.

    Raises:
        InvalidRequestLine: it is no URL.
    """
    if request.uri.startswith("/") and "#" not in request.uri:
        return
    try:
        parts = split_request_uri(request.uri)
    except ValueError:
        raise InvalidRequestLine("Invalid request line") from None
    request.raw_path, request.query = parts.path.encode("latin-1"), parts.query
    request.path = unquote_to_bytes(request.raw_path).decode("utf-8", errors="replace")
