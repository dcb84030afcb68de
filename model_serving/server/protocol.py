"""gunicorn's HTTP protocol on an event loop, with a short way for plain predictions.

A request that the direct lane can answer is answered by one task; only the others take the server's
own way through ASGI. Clients that keep a connection send the same head again and again: one that
has been parsed before is known by its bytes.
"""

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from gunicorn.asgi.parser import CallbackRequest
from gunicorn.asgi.protocol import _get_cached_date_header, _get_cached_status_line

from model_serving.caller import PROBE, until_broken
from model_serving.config import Config
from model_serving.server.patience import PatientConnection, Phase

if TYPE_CHECKING:  # gunicorn loads the application into the worker, later.
    from model_serving.web.asgi import Front
    from model_serving.web.direct import PlainModel

SPARE_CONNECTIONS = 64  # They are told that there are too many.
_DIRECT_BYTES = 65_536  # A longer body comes in many pieces, and goes through ASGI.
_MOST_HEADS = 1024


class Head(NamedTuple):
    """What a plain prediction's request line and headers say."""

    model: "PlainModel"
    request: CallbackRequest
    fields: dict[bytes, bytes]


class FrontProtocol(PatientConnection):
    """A connection that answers plain predictions itself."""

    def __init__(self, worker: Any, settings: Config) -> None:
        super().__init__(worker, settings)
        self._front: Front = worker.asgi
        self._heads: dict[bytes, Head] = worker.heads
        self._raw_head = b""
        self._head: Head | None = None
        self._answering: asyncio.Task[None] | None = None
        self._is_left_to_flask = False
        self._probing: asyncio.Task[None] | None = None
        self._is_parser_fresh = False  # It holds nothing, as far as we know.
        self._unread = b""  # What came while a request was answered.
        self._peer = "-"

    def connection_made(self, transport: Any) -> None:
        """Begin, if there are not too many already."""
        super().connection_made(transport)
        self._peer, *_ = transport.get_extra_info("peername") or ("-",)
        self.worker.connections.add(self)
        surplus = len(self.worker.connections) - self.worker.max_connections
        if surplus > SPARE_CONNECTIONS:
            transport.abort()
        elif surplus > 0:
            self._send_error_response(503, "too many connections")
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take back what was asked for a client that has left."""
        self.worker.connections.discard(self)
        for task in (self._answering, self._probing):
            if task is not None:
                task.cancel()
        super().connection_lost(exc)

    def eof_received(self) -> bool:
        """Find out whether the client has left, or still waits for its answer."""
        request = self._head.request if self._head else self._current_request
        is_left = self._phase is not Phase.ANSWER or request is None or request.version < (1, 1)
        if is_left and not self._is_sending:
            return False
        self._has_ended = True
        if not self._is_sending:  # Amid an answer, a provisional one would be a part of it.
            self._safe_write(PROBE)
            self._probing = self._loop.create_task(self._probe())
        return True

    async def _probe(self) -> None:
        await until_broken(self.transport.get_extra_info("socket").fileno())
        self.transport.abort()

    def _send_response_start(self, *args: Any, **kwargs: Any) -> None:
        self._is_sending = True
        super()._send_response_start(*args, **kwargs)

    def data_received(self, data: bytes) -> None:
        """Read; what a refused client still sends is thrown away."""
        if self._answering is not None:
            self._unread += data
            self._pause_reading()
            return
        if self._is_parser_fresh:
            end = data.find(b"\r\n\r\n") + 4
            head = self._heads.get(data[:end])
            if head is not None and len(data) == end + head.request.content_length:
                self._answer_directly(head, data[end:], data)
                return
        if self._phase is not Phase.DISCARD:
            super().data_received(data)

    def _feed_callback_parser(self, data: bytes) -> bool:
        """Parse; the base class calls this with what has come behind a request, too."""
        # While a request is answered, the parser holds it, and keeps all that comes.
        is_next = self._phase is Phase.ANSWER and not self._callback_parser.is_complete
        if self._phase is Phase.IDLE or is_next:
            self._enter(Phase.HEADERS)
            self._raw_head = data[: data.find(b"\r\n\r\n") + 4]
        self._received_bytes += len(data)
        self._is_parser_fresh = False
        return bool(super()._feed_callback_parser(data))

    def _on_headers_complete(self) -> Any:
        self._enter(Phase.BODY)
        # While it is away, the server's own task is not woken up.
        ready, self._request_ready = self._request_ready, None
        try:
            super()._on_headers_complete()
        finally:
            self._request_ready = ready
        request = self._current_request
        fields = dict(request.headers_bytes)
        model = None
        is_direct = (
            request.content_length <= min(_DIRECT_BYTES, self._settings.max_content_length)
            and not request.chunked
            and not request._expect_100_continue
            and not self._is_left_to_flask
            and len(fields) == len(request.headers_bytes)
        )
        if is_direct:
            model = self._front.model_for(request.method, request.path, fields)
        self._head = None if model is None else Head(model, request, fields)
        if self._head is None:
            ready.set()
        elif self._raw_head.startswith(b"POST "):
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            self._heads[self._raw_head] = self._head
        self._raw_head, self._is_left_to_flask = b"", False

    def _on_message_complete(self) -> None:
        super()._on_message_complete()
        if self._head is None:
            self._enter(Phase.ANSWER)
        else:
            self._answer_directly(self._head, b"".join(self._body_receiver._chunks), b"")

    def _answer_directly(self, head: Head, body: bytes, unparsed: bytes) -> None:
        self._head = head
        self._enter(Phase.ANSWER)
        self._answering = self._loop.create_task(self._answer(head, body, unparsed))

    async def _answer(self, head: Head, body: bytes, unparsed: bytes) -> None:
        reply = await head.model.reply(head.fields, body, self._peer)
        self._answering = None
        if reply is None:
            self._leave_to_flask(unparsed)
            return
        closes = self._will_close(head.request, False)
        lines = [b"%b: %b\r\n" % field for field in reply.headers]
        status_line = _get_cached_status_line(head.request.version, reply.status)
        closing = b"Connection: close\r\n" if closes else b""
        self._safe_write(
            b"".join((status_line, *lines, _get_cached_date_header(), closing, b"\r\n", reply.body))
        )
        if closes:
            self._end()
        else:
            self._go_on(was_parsed=not unparsed)

    def _leave_to_flask(self, unparsed: bytes) -> None:
        self._head = None
        if unparsed:
            self._is_left_to_flask = True
            super().data_received(unparsed)
        else:
            self._request_ready.set()
        if self._unread:
            unread, self._unread = self._unread, b""
            super().data_received(unread)

    def _go_on(self, was_parsed: bool) -> None:
        """Wait for the next request, or take it, if it has come already."""
        unread, self._unread = self._unread, b""
        if was_parsed:
            unread = self._callback_parser.remaining() + unread
            self._callback_parser.reset()
            self._current_request = self._body_receiver = None
        self._head = None
        self._is_parser_fresh = True
        self._enter(Phase.IDLE)
        self._resume_reading()
        if unread:
            self.data_received(unread)
        self._end_if_no_more_comes()

    def _end_if_no_more_comes(self) -> None:
        if self._has_ended and self._phase is not Phase.ANSWER:
            self._end()

    def _arm_keepalive_timer(self) -> None:
        # Something of the next request may have come already.
        if self._phase is Phase.ANSWER and self._answering is None:
            self._enter(Phase.IDLE)
        self._end_if_no_more_comes()
