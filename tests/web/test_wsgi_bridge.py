"""The bridge to WSGI: what PEP 3333 asks of a server, and clients that are slow or leave."""

import asyncio
import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication
from wsgiref.validate import validator

import pytest

from model_serving.web.wsgi_bridge import TURN_BYTES, Environ, Message, WSGIBridge, environ_of
from tests.lanes import environ_of as wsgi_environ
from tests.lanes import scope_of
from tests.loops import PATIENCE_S, in_loop, until

PLAIN = [("Content-Type", "text/plain")]
PART = b"x" * 100_000
NUMBER = ContextVar("NUMBER", default=0)


class Client:
    """Takes a response; a slow one takes two messages, and no more until it is told to."""

    def __init__(self, bridge: WSGIBridge, is_slow: bool = False) -> None:
        self.messages: list[Message] = []
        self.reads = asyncio.Event()
        if not is_slow:
            self.reads.set()
        environ = environ_of(scope_of(wsgi_environ("/a")))
        environ["wsgi.input"] = io.BytesIO(b"abc")
        self.task = asyncio.ensure_future(bridge.answer(environ, self._send))

    async def _send(self, message: Message) -> None:
        if len(self.messages) >= 2:
            await self.reads.wait()
        self.messages.append(message)

    async def taken(self) -> tuple[int, bytes]:
        """Return the status and body of the whole response."""
        await self.task
        start, *parts = self.messages
        assert [part.get("more_body", False) for part in parts] == [True] * (len(parts) - 1) + [0]
        return start["status"], b"".join(part["body"] for part in parts)

    async def leave(self) -> None:
        """Break off."""
        self.task.cancel()
        await asyncio.wait([self.task])
        assert self.task.cancelled()


class Stream:
    """An application that makes a long response, and counts."""

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.made = self.closed = 0

    def __call__(self, environ: Environ, start_response: StartResponse) -> "Stream":
        start_response("200 OK", PLAIN)
        return self

    def __iter__(self) -> Iterator[bytes]:
        token = NUMBER.set(1)
        for _ in range(self.parts):
            self.made += 1
            assert NUMBER.get() == 1
            yield PART
        NUMBER.reset(token)

    def close(self) -> None:
        self.closed += 1


def of_list(_environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("201 Created", PLAIN)
    return [b"a", b"", b"b"]


def of_nothing(_environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("204 No Content", [])
    return []


def of_input(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", PLAIN)
    yield b""
    yield environ["wsgi.input"].read(3)


def of_writes(_environ: Environ, start_response: StartResponse) -> list[bytes]:
    write = start_response("200 OK", PLAIN)
    write(b"a")
    return [b"b"]


def of_second_thoughts(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", PLAIN)
    yield b""
    try:
        raise ValueError
    except ValueError:
        start_response("500 Wrong", PLAIN, sys.exc_info())
    yield b"wrong"


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        (of_list, (201, b"ab")),
        (of_nothing, (204, b"")),
        (of_input, (200, b"abc")),
        (of_writes, (200, b"ab")),
        (of_second_thoughts, (500, b"wrong")),
        (Stream(25), (200, PART * 25)),
    ],
)
@in_loop
async def test_bridge_keeps_to_wsgi(app: WSGIApplication, expected: tuple[int, bytes]) -> None:
    client = Client(WSGIBridge(validator(app), 1))
    assert await client.taken() == expected


def too_early(_environ: Environ, _start_response: StartResponse) -> list[bytes]:
    raise ValueError


def too_late(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", PLAIN)
    yield b"a"
    raise ValueError


def twice(_environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", PLAIN)
    start_response("200 OK", PLAIN)
    return []


def never(_environ: Environ, _start_response: StartResponse) -> list[bytes]:
    return [b"a"]


def begun(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", PLAIN)
    yield b"a"
    try:
        raise ValueError
    except ValueError:
        start_response("500 Wrong", PLAIN, sys.exc_info())


@pytest.mark.parametrize(
    ("app", "error", "sent"),
    [
        (too_early, ValueError, 0),
        (too_late, ValueError, 2),
        (twice, RuntimeError, 0),
        (never, RuntimeError, 0),
        (begun, ValueError, 2),
    ],
)
@in_loop
async def test_bridge_raises_an_error_after_what_was_made_before(
    app: Callable[..., Any], error: type[Exception], sent: int
) -> None:
    bridge = WSGIBridge(app, 1)
    client = Client(bridge)
    with pytest.raises(error):
        await client.task
    assert len(client.messages) == sent
    assert all(message.get("more_body", True) for message in client.messages)


def test_environ_says_what_the_scope_says() -> None:
    fields: dict[str, Any] = {"HTTP_X_ONE": "é", "HTTP_X_TWO": ["a", "b"], "QUERY_STRING": "q=\xff"}
    scope = scope_of(wsgi_environ("/root/é", **fields)) | {"root_path": "/root"}
    environ = environ_of(scope | {"http_version": "1.0", "scheme": "https", "client": None})
    told = {name: environ[name] for name in ("HTTP_X_ONE", "HTTP_X_TWO", "QUERY_STRING")}
    assert told == fields | {"HTTP_X_TWO": "a,b"}
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/root", "/é".encode().decode("l1"))
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("application/json", "0")
    assert (environ["SERVER_PROTOCOL"], environ["wsgi.url_scheme"]) == ("HTTP/1.0", "https")


@in_loop
async def test_head_has_fields_as_bytes_of_small_letters() -> None:
    def app(_environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200", [("X-One", "é"), ("X-One", "b")])
        return []

    client = Client(WSGIBridge(app, 1))
    await client.task
    assert client.messages[0]["headers"] == [(b"x-one", b"\xe9"), (b"x-one", b"b")]


@in_loop
async def test_slow_clients_hold_neither_the_thread_nor_much_memory() -> None:
    streams = [Stream(5 * TURN_BYTES // len(PART)) for _ in range(3)]
    apps: Iterator[WSGIApplication] = iter([*streams, of_list])
    bridge = WSGIBridge(lambda *asked: next(apps)(*asked), 1)
    slow = [Client(bridge, is_slow=True) for _ in streams]
    assert (await Client(bridge).taken())[1] == b"ab"
    assert [stream.made for stream in streams] == [TURN_BYTES // len(PART)] * 3
    for client, stream in zip(slow, streams, strict=True):
        client.reads.set()
        assert await client.taken() == (200, PART * stream.parts)
        assert stream.closed == 1


class Held(Stream):
    """A stream that makes no more than a part before it is told to go on."""

    def __init__(self, parts: int) -> None:
        super().__init__(parts)
        self.go_on = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        for part in super().__iter__():
            yield part
            assert self.go_on.wait(PATIENCE_S)


@in_loop
async def test_each_part_is_sent_while_the_next_is_made() -> None:
    stream = Held(2)
    client = Client(WSGIBridge(stream, 1))
    await until(lambda: len(client.messages) == 2)
    assert client.messages[1]["body"] == PART
    stream.go_on.set()
    assert await client.taken() == (200, PART * 2)


@pytest.mark.parametrize("kind", [Stream, Held], ids=["between turns", "while a part is made"])
@in_loop
async def test_response_of_a_client_that_leaves_is_closed(kind: type[Stream]) -> None:
    stream = kind(1_000_000)
    apps: Iterator[WSGIApplication] = iter([stream, of_list])
    bridge = WSGIBridge(lambda *asked: next(apps)(*asked), 1)
    client = Client(bridge, is_slow=True)
    await until(lambda: len(client.messages) == 2)
    assert stream.closed == 0
    await client.leave()
    if isinstance(stream, Held):
        stream.go_on.set()
    assert (await Client(bridge).taken())[1] == b"ab"
    await until(lambda: stream.closed == 1)
    assert stream.made * len(PART) <= TURN_BYTES


@in_loop
async def test_error_in_a_response_whose_client_has_left_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    go_on = threading.Event()

    def app(_environ: Environ, _start_response: StartResponse) -> list[bytes]:
        go_on.wait(PATIENCE_S)
        raise ValueError("broken")

    client = Client(WSGIBridge(app, 1))
    await asyncio.sleep(0)
    await client.leave()
    go_on.set()
    await until(lambda: "ValueError: broken" in caplog.text)
