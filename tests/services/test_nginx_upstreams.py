"""What nginx asks of the instances behind it, seen from there."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.services.calls import client
from tests.services.conftest import Installation
from tests.services.nginx import needs_nginx, nginx
from tests.services.processes import Server

pytestmark = needs_nginx
AWAY = "127.0.0.1:1"
CALLS = 20


class Instance(ThreadingHTTPServer):
    """Answers every request, or ends the connection instead, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self, is_dying: bool) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.is_dying = is_dying
        self.asked: list[tuple[str, dict[str, str], bytes, Any]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Instance

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.server.asked.append((self.path, headers, body, self.client_address))
        if self.server.is_dying:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("X-Request-ID", headers["x-request-id"])
        self.end_headers()
        self.wfile.write(b"{}")

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def instance(is_dying: bool = False) -> Iterator[Instance]:
    with Instance(is_dying) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def living() -> Iterator[Instance]:
    with instance() as server:
        yield server


@pytest.fixture(scope="module")
def dying() -> Iterator[Instance]:
    with instance(is_dying=True) as server:
        yield server


@pytest.fixture(scope="module")
def front(installation: Installation, living: Instance, dying: Instance) -> Iterator[Server]:
    """nginx before one instance that lives, one that dies of each request, and one that is away."""
    installation.project.end()
    with nginx(installation.project, living.address, dying.address, AWAY) as server:
        yield server


def post(url: str, headers: dict[str, str], content: Any = b'{"name": "Leo"}') -> httpx.Response:
    with client(url) as caller:
        return caller.post("/api/v1/XXXModel?a=b", headers=headers, content=content)


def test_caller_cannot_say_who_it_is(front: Server, living: Instance) -> None:
    claims = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "https",
        "X-Request-ID": "not sane",
        "Expect": "100-continue",
    }
    answer = post(front.url, claims)
    path, headers, _, _ = living.asked[-1]
    assert path == "/v1/XXXModel?a=b"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["host"] == front.url.removeprefix("http://")
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
    assert answer.headers.get_list("x-request-id") == [headers["x-request-id"]]
    assert not {"expect", "connection"} & headers.keys()


def test_sane_id_of_the_caller_is_kept(front: Server, living: Instance) -> None:
    answer = post(front.url, {"X-Request-ID": "order-4711"})
    assert living.asked[-1][1]["x-request-id"] == "order-4711"
    assert answer.headers["x-request-id"] == "order-4711"


def test_request_that_an_instance_dies_of_is_answered_by_another(
    front: Server, living: Instance, dying: Instance
) -> None:
    answers = [post(front.url, {}, f"{number}".encode()) for number in range(CALLS)]
    assert [answer.status_code for answer in answers] == [200] * CALLS
    assert [body for _, _, body, _ in living.asked[-CALLS:]] == [
        b"%d" % number for number in range(CALLS)
    ]
    assert dying.asked


def test_result_file_that_nginx_cannot_find_is_asked_for(front: Server, living: Instance) -> None:
    url = f"/assets/{'0' * 64}.png"
    with client(front.url) as caller:
        assert caller.get(url).content == b"{}"
    path, headers, _, _ = living.asked[-1]
    assert (path, headers["x-forwarded-for"]) == (url, "127.0.0.1")


def test_connections_to_an_instance_are_kept(front: Server, living: Instance) -> None:
    for _ in range(CALLS):
        post(front.url, {})
    connections = {address for *_, address in living.asked[-CALLS:]}
    assert len(connections) <= CALLS / 2


def test_body_of_unknown_length_is_passed_on_whole(front: Server, living: Instance) -> None:
    post(front.url, {}, iter([b"1", b"2" * 100_000]))
    assert living.asked[-1][2] == b"1" + b"2" * 100_000
    assert living.asked[-1][1]["content-length"] == "100001"
