"""A server that takes callbacks, and answers them in ways good and bad."""

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http.client import parse_headers
from typing import NamedTuple

Answer = Callable[[socket.socket], None]


class Call(NamedTuple):
    """What arrived."""

    line: str
    headers: Message
    body: bytes


class Receiver:
    """Listens on this machine alone."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None) -> None:
        self._answer = answer
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.calls: list[Call] = []

    def serve(self) -> None:
        with suppress(OSError):  # It was closed.
            while True:
                connection = self._listener.accept()[0]
                self.connections += 1
                with suppress(OSError), connection:
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb") as file:
            line = file.readline().decode().strip()
            headers = parse_headers(file)
            self.calls.append(Call(line, headers, file.read(int(headers["Content-Length"]))))
            self._answer(connection)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def receiver(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    server = Receiver(answer, context)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def says(data: bytes) -> Answer:
    return lambda connection: connection.sendall(data)


def status(code: int, headers: str = "") -> Answer:
    return says(f"HTTP/1.1 {code} Word\r\n{headers}Content-Length: 0\r\n\r\n".encode())


def endless(start: bytes, more: bytes, pause_s: float = 0.0) -> Answer:
    """Answer without end, until the caller leaves."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(start)
        while not select.select([connection], [], [], pause_s)[0]:
            connection.sendall(more)

    return answer
