"""`main:app` and `main:asgi` under every server they are made for, each started for real."""

import base64
import random
import socket
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.services.calls import ANSWERS, client, three_calls
from tests.services.processes import PATIENCE_S, clean_environment, free_port, running, stop
from tests.services.project import Project

LIMIT_BYTES = 7_500_000
WSGIREF = """
import sys
from wsgiref.simple_server import make_server
from main import app
make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()
"""
GUNICORN = ["-m", "gunicorn", "--config", "conf/gunicorn.conf.py"]
COMMANDS = {
    "asgi lane": GUNICORN,
    "gthread lane": GUNICORN,
    "gunicorn sync": [*GUNICORN, "main:app", "--worker-class", "sync", "--threads", "1"],
    "gunicorn gthread": [*GUNICORN, "main:app", "--worker-class", "gthread"],
    "gunicorn asgi": [*GUNICORN, "main:asgi", "--worker-class", "asgi"],
    "uvicorn": ["-m", "uvicorn", "--port", "{port}", "main:asgi"],
    "waitress": ["-m", "waitress", "--listen", "127.0.0.1:{port}", "main:app"],
    "wsgiref": ["-c", WSGIREF, "{port}"],
    "flask": ["main.py"],
}
JSON = {"Content-Type": "application/json"}
# wsgiref knows HTTP/1.0 alone, which has no chunked bodies.
READS_CHUNKS = COMMANDS.keys() - {"wsgiref"}
# They announce a connection that is kept, and close it where too much of a body is not read.
CLOSES_WITHOUT_NOTICE = {"gunicorn gthread", "gunicorn asgi"}
ALONE = {"Connection": "close"}  # So the next request may not meet its end.
WORKERS = {
    "asgi lane": "model_serving.server.worker.HttpWorker",
    "gthread lane": "model_serving.server.worker.HttpWorker",
    "gunicorn sync": "sync",
    "gunicorn gthread": "gthread",
    "gunicorn asgi": "asgi",
}


@pytest.fixture(scope="module", params=COMMANDS)
def server_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def caller(server_name: str, fresh_project: Project) -> Iterator[httpx.Client]:
    port = free_port()
    command = [word.replace("{port}", str(port)) for word in COMMANDS[server_name]]
    environment = clean_environment(PORT=str(port), MAX_CONTENT_LENGTH=str(LIMIT_BYTES))
    if server_name.endswith(" lane"):
        environment["HTTP_WORKER"] = server_name.removesuffix(" lane")
    with (
        running([sys.executable, *command], port, fresh_project.folder, environment) as server,
        client(server.url) as caller,
    ):
        if server_name in WORKERS:
            assert f"Using worker: {WORKERS[server_name]}\n" in server.output()
        yield caller
        caller.close()
        stop(server.process)
        if server_name in WORKERS:
            # One that has to be killed says nothing.
            assert "Worker exiting (pid: " in server.output()


def chunks(size_bytes: int) -> Iterator[bytes]:
    """Make a body whose length nobody announces."""
    return (b"x" * 100_000 for _ in range(size_bytes // 100_000))


def test_server_answers_the_three_calls(caller: httpx.Client) -> None:
    assert three_calls(str(caller.base_url)) == ANSWERS


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/nowhere", 404, id="unknown URL"),
        pytest.param("POST", "/v1/NoModel", 404, id="unknown model"),
        pytest.param("DELETE", "/v1/XXXModel", 405, id="wrong method"),
    ],
)
def test_server_words_http_errors_in_json(
    caller: httpx.Client, method: str, path: str, status: int
) -> None:
    response = caller.request(method, path)
    assert response.status_code == status
    assert response.json().keys() == {"message"}


def test_server_refuses_a_body_over_the_limit(caller: httpx.Client) -> None:
    response = caller.post("/v1/EchoModel", json={"msg": "x" * LIMIT_BYTES}, headers=ALONE)
    assert response.status_code == 413
    assert str(LIMIT_BYTES) in response.json()["message"]


def test_server_refuses_a_chunked_body_over_the_limit(
    caller: httpx.Client, server_name: str
) -> None:
    if server_name not in READS_CHUNKS:
        pytest.skip("HTTP/1.0 has no chunked bodies")
    content = chunks(LIMIT_BYTES + 100_000)
    response = caller.post("/v1/EchoModel", content=content, headers=JSON | ALONE)
    assert response.status_code == 413
    assert str(LIMIT_BYTES) in response.json()["message"]


@pytest.mark.parametrize("in_chunks", [False, True], ids=["announced", "chunked"])
def test_server_answers_the_caller_of_a_refused_body(
    caller: httpx.Client, server_name: str, in_chunks: bool
) -> None:
    """The connection is either kept, or closed with notice; a caller reuses one that is open."""
    if in_chunks and server_name not in READS_CHUNKS:
        pytest.skip("HTTP/1.0 has no chunked bodies")
    if server_name in CLOSES_WITHOUT_NOTICE:
        pytest.skip("the service's own workers of this kind do it")
    size_bytes = LIMIT_BYTES + 100_000
    for _ in range(5):
        content = chunks(size_bytes) if in_chunks else b"x" * size_bytes
        assert caller.post("/v1/EchoModel", content=content, headers=JSON).status_code == 413
        assert caller.post("/v1/XXXModel", json={"name": "Leo"}).status_code == 200


def test_server_reads_a_chunked_body(caller: httpx.Client, server_name: str) -> None:
    if server_name not in READS_CHUNKS:
        pytest.skip("HTTP/1.0 has no chunked bodies")
    response = caller.post(
        "/v1/XXXModel",
        content=iter([b'{"name": ', b'"Leo"}']),
        headers=JSON,
    )
    assert response.status_code == 200
    assert response.json() == {"result": "Hello, Leo!"}


def status_of(caller: httpx.Client, *lines: str, body: bytes) -> bytes:
    """Send a request as it stands, end the sending, and return the status of the answer, if any."""
    head = ["POST /v1/XXXModel HTTP/1.1", "Host: test", "Content-Type: application/json", *lines]
    with socket.create_connection((caller.base_url.host, caller.base_url.port or 0)) as connection:
        connection.settimeout(PATIENCE_S)
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline()
    return answer.split()[1] if answer else b""


def test_server_takes_no_body_that_breaks_off(caller: httpx.Client) -> None:
    status = status_of(caller, "Content-Length: 300", body=b'{"name": "Leo"}')
    assert status in {b"", b"400"}


@pytest.mark.parametrize("body", [b"zz\r\n{}\r\n", b'5\r\n{"nam'], ids=["no number", "cut"])
def test_server_takes_no_broken_chunks(caller: httpx.Client, body: bytes) -> None:
    status = status_of(caller, "Transfer-Encoding: chunked", body=body)
    assert status in {b"", b"400"}


def test_server_echoes_a_picture_byte_for_byte(caller: httpx.Client) -> None:
    picture = random.Random(0).randbytes(5_000_000)
    response = caller.post("/v1/EchoModel", json={"msg": base64.b64encode(picture).decode()})
    assert response.status_code == 200
    assert base64.b64decode(response.json()["response"]) == picture


@pytest.mark.parametrize("path", ["/v1/XXXModel", "/nowhere"])
def test_server_returns_the_request_id(caller: httpx.Client, path: str) -> None:
    response = caller.get(path, headers={"X-Request-ID": "call-1"})
    assert response.headers["X-Request-ID"] == "call-1"
