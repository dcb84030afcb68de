"""The bridge from ASGI to WSGI (PEP 3333): the app runs in a bounded pool of threads.

The event loop sends each part of a response as soon as it is made. A long response is made in
turns, the next when the client has taken the last one: so it fills no memory, and a slow client
holds no thread. Turns may be in different threads; all have the context of the request.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, copy_context
from types import TracebackType
from typing import Any
from wsgiref.types import WSGIApplication

Scope = dict[str, Any]
Message = dict[str, Any]
Environ = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

log = logging.getLogger("service")

TURN_BYTES = 1_000_000
_OWN_NAMES = {"CONTENT_TYPE", "CONTENT_LENGTH"}


class WSGIBridge:
    """Answers by a WSGI application."""

    def __init__(self, app: WSGIApplication, threads: int) -> None:
        """Give the application at most so many threads."""
        self._app = app
        self._threads = ThreadPoolExecutor(threads, "flask")

    async def answer(self, environ: Environ, send: Send) -> None:
        """Answer a request; what the application raises is raised when all before it is sent.

        If this is cancelled, as the client has left, the application still answers, but makes no
        more than the next part of its response.
        """
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[tuple[Message, ...] | Future[None]] = asyncio.Queue()

        def put(item: tuple[Message, ...] | Future[None]) -> None:
            with suppress(RuntimeError):  # The loop has been closed: the process ends.
                loop.call_soon_threadsafe(arrived.put_nowait, item)

        response = _Response(self._app, environ, put)
        context = copy_context()
        try:
            while not response.is_over:
                turn = self._threads.submit(context.run, response.make)
                turn.add_done_callback(put)
                while isinstance(item := await arrived.get(), tuple):
                    for message in item:
                        await send(message)
                turn.result()
        finally:
            if not response.is_over:
                self._abandon(response, turn, context)
        await send({"type": "http.response.body", "body": b""})

    def _abandon(self, response: "_Response", turn: Future[None], context: Context) -> None:
        def close(_turn: Future[None]) -> None:
            if error := turn.exception():
                log.error("a response failed whose client had left", exc_info=error)
            self._threads.submit(context.run, response.close)

        response.is_wanted = False
        turn.add_done_callback(close)


class _Response:
    """What an application answers; it is made in threads, by one at a time."""

    def __init__(
        self, app: WSGIApplication, environ: Environ, put: Callable[[tuple[Message, ...]], None]
    ) -> None:
        self.is_over = False
        self.is_wanted = True
        self._app = app
        self._environ = environ
        self._put = put
        self._head: Message | None = None
        self._is_begun = False  # The head has been put.
        self._made: Iterable[bytes] | None = None
        self._parts: Iterator[bytes] = iter(())

    def make(self) -> None:
        """Make the response, or some of a long one."""
        is_over = True
        try:
            if self._made is None:
                self._made = self._app(self._environ, self._start)
                self._parts = iter(self._made)
            is_over = self._write_some()
        finally:
            if is_over:
                self.close()

    def close(self) -> None:
        """Let the application clean up, once."""
        if not self.is_over:
            self.is_over = True
            getattr(self._made, "close", lambda: None)()

    def _write_some(self) -> bool:
        """Make parts of the response; return whether it is whole, or nobody asks for it."""
        made_bytes = 0
        for part in self._parts:
            self._write(part)
            made_bytes += len(part)
            if made_bytes >= TURN_BYTES or not self.is_wanted:
                return not self.is_wanted
        self._write(b"", is_last=True)
        return True

    def _write(self, part: bytes, is_last: bool = False) -> None:
        if self._head is None:
            raise RuntimeError("the application makes a response that it has not started")
        # The first part may still be an error, and with another head.
        if part or is_last:
            head = () if self._is_begun else (self._head,)
            self._is_begun = True
            body = {"type": "http.response.body", "body": part, "more_body": True}
            self._put((*head, body))

    def _start(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        error = exc_info and exc_info[1]
        if self._is_begun and error:
            raise error
        if self._head is not None and not error:
            raise RuntimeError("the application starts its response twice")
        self._head = {
            "type": "http.response.start",
            "status": int(status.partition(" ")[0]),
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
            ],
        }
        return self._write


def environ_of(scope: Scope) -> Environ:
    """Return the WSGI environment of a request, but for ``wsgi.input``."""
    path, root = scope["path"], scope.get("root_path", "")
    server, port = scope.get("server") or ("localhost", 80)
    client, client_port = scope.get("client") or ("", "")
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root.encode().decode("latin-1"),
        "PATH_INFO": path.removeprefix(root).encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server,
        "SERVER_PORT": str(port or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client,
        "REMOTE_PORT": str(client_port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for field, content in scope["headers"]:
        name = field.decode("latin-1").upper().replace("-", "_")
        if name not in _OWN_NAMES:
            name = f"HTTP_{name}"
        value = content.decode("latin-1")
        environ[name] = f"{environ[name]},{value}" if name in environ else value
    return environ
