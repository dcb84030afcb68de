"""A callback arrives signed, is never led astray, and a bad receiver holds nobody."""

import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_serving.jobs.callback import MAX_ATTEMPTS, CallbackFailed, Sender, retry_delay_s
from model_serving.place import ROOT
from tests.jobs.receiver import Answer, endless, receiver, says, status
from tests.services.processes import PATIENCE_S

SECRET = b"a secret"
BODY = b'{"id":"1","state":"succeeded"}'
HOST = "hook.example"
LOCAL = Sender(SECRET, True, PATIENCE_S)
SILENT = "there was no answer in 10 s"


def to(*addresses: str) -> tuple[Callable[..., Any], list[str]]:
    """Return a resolver by which every name leads there, and what was asked of it."""
    asked: list[str] = []

    def resolve(host: str, port: int, **options: Any) -> Any:
        asked.append(host)
        return [one for ip in addresses for one in socket.getaddrinfo(ip, port, **options)]

    return resolve, asked


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """Return a certificate for HOST, and what serves it."""
    folder = tmp_path_factory.mktemp("tls")
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    name = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    command = ["openssl", "req", "-x509", *kind, *files, *name]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


def documented() -> Callable[..., bool]:
    """Return the function by which the documentation checks a call."""
    page = (ROOT / "docs/callbacks.md").read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    exec(code[1], found)
    return found["is_genuine"]  # type: ignore[no-any-return]


def test_callback_arrives_as_the_documentation_says() -> None:
    with receiver(status(204)) as server:
        LOCAL.send(f"http://127.0.0.1:{server.port}/a/b?c=d#e", BODY)
    (call,) = server.calls
    assert (call.line, call.body) == ("POST /a/b?c=d HTTP/1.1", BODY)
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["Host"] == f"127.0.0.1:{server.port}"
    assert documented()(call.headers, call.body, SECRET)


@pytest.mark.parametrize(
    ("secret", "body", "later_s"),
    [(b"other", BODY, 0), (SECRET, BODY + b" ", 0), (SECRET, BODY, 301)],
    ids=["other-secret", "other-body", "replay"],
)
def test_documented_check_refuses_what_is_not_genuine(
    secret: bytes, body: bytes, later_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver(status(200)) as server:
        LOCAL.send(f"http://127.0.0.1:{server.port}", BODY)
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + later_s)
    assert not documented()(server.calls[0].headers, body, secret)


def test_callback_by_https_proves_the_name_at_the_address_that_was_checked(
    certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    resolve, asked = to("127.0.0.1")
    with receiver(status(200), certificate[1]) as server:
        Sender(SECRET, True, resolve=resolve).send(f"https://{HOST}:{server.port}/", BODY)
    assert [call.headers["Host"] for call in server.calls] == [f"{HOST}:{server.port}"]
    assert asked == [HOST]


@pytest.mark.parametrize(
    ("host", "is_known"), [(HOST, False), ("other.example", True)], ids=["authority", "name"]
)
def test_callback_by_https_refuses_a_certificate_that_proves_nothing(
    host: str,
    is_known: bool,
    certificate: tuple[Path, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if is_known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    sender = Sender(SECRET, True, resolve=to("127.0.0.1")[0])
    with (
        receiver(status(200), certificate[1]) as server,
        pytest.raises(CallbackFailed, match="certificate is wrong"),
    ):
        sender.send(f"https://{host}:{server.port}/", BODY)
    assert (server.connections, server.calls) == (1, [])


FAILURES: dict[str, tuple[Answer, str]] = {
    "redirect": (status(302, "Location: /other\r\n"), "the answer was 302"),
    "redirect-of-a-post": (status(307, "Location: /other\r\n"), "the answer was 307"),
    "error": (status(500), "the answer was 500"),
    "closed": (says(b""), "the call failed"),
    "not-http": (says(b"SSH-2.0-OpenSSH\r\n"), "the call failed: BadStatusLine"),
    "headers-without-end": (endless(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"), "the call failed"),
    "line-without-end": (endless(b"HTTP/1.1 200 ", b"a" * 9_999), "the call failed: LineTooLong"),
    "drips": (endless(b"HTTP/1.1 200 OK\r\n", b"a", 0.02), SILENT),
    "continues": (
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
        SILENT,
    ),
}


@pytest.mark.parametrize(("answer", "message"), FAILURES.values(), ids=FAILURES)
def test_answer_that_is_no_success_fails_after_one_call(answer: Answer, message: str) -> None:
    timeout_s = 10.0 if message == SILENT else PATIENCE_S
    with receiver(answer) as server, pytest.raises(CallbackFailed, match=message):
        Sender(SECRET, True, timeout_s).send(f"http://127.0.0.1:{server.port}/", BODY)
    assert len(server.calls) == server.connections == 1


def test_answer_without_end_is_a_success_and_not_read() -> None:
    with receiver(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 99_999)) as server:
        LOCAL.send(f"http://127.0.0.1:{server.port}/", BODY)
    assert len(server.calls) == 1


def test_next_address_is_tried_where_one_does_not_answer() -> None:
    with receiver(status(200)) as server:
        resolve, asked = to("127.0.0.2", "127.0.0.1")
        Sender(SECRET, True, resolve=resolve).send(f"http://{HOST}:{server.port}/", BODY)
    assert (len(server.calls), len(asked)) == (1, 1)


def test_receiver_that_is_away_fails() -> None:
    with receiver(status(200)) as server:
        pass
    with pytest.raises(CallbackFailed, match="the call failed: Connection refused"):
        LOCAL.send(f"http://127.0.0.1:{server.port}/", BODY)


def test_nothing_is_sent_after_a_slow_look_up() -> None:
    def resolve(*asked: Any, **options: Any) -> Any:
        time.sleep(0.2)
        return socket.getaddrinfo(*asked, **options)

    with (
        receiver(status(200)) as server,
        pytest.raises(CallbackFailed, match=r"no answer in 0\.1 s"),
    ):
        Sender(SECRET, True, 0.1, resolve).send(f"http://127.0.0.1:{server.port}/", BODY)
    assert server.connections == 0


HERE = ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"]


@pytest.mark.parametrize("host", [*HERE, "[::ffff:127.0.0.1]", "[::1]", HOST])
def test_address_that_is_not_public_is_never_connected_to(host: str) -> None:
    resolve = to("127.0.0.1", "10.0.0.1")[0] if host == HOST else socket.getaddrinfo
    with (
        receiver(status(200)) as server,
        pytest.raises(CallbackFailed, match="the host has no public address"),
    ):
        Sender(SECRET, resolve=resolve).send(f"http://{host}:{server.port}/", BODY)
    assert server.connections == 0


@settings(deadline=None)
@given(st.integers(1, 2 * MAX_ATTEMPTS), st.floats(0, 1))
def test_delay_doubles_up_to_an_hour_and_ends(attempts: int, chance: float) -> None:
    delay_s = retry_delay_s(attempts, chance)
    if delay_s is None:
        assert attempts >= MAX_ATTEMPTS
    else:
        longest_s = min(10 * 2 ** (attempts - 1), 3600)
        assert longest_s / 2 <= delay_s <= longest_s
