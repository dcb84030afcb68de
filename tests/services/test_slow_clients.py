"""Clients that take their time, and many of them, beside others that do not, on the asgi lane."""

import resource
import selectors
import time
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest

from tests.services.faulty.service import FaultyService
from tests.services.lanes import lane_service
from tests.services.processes import PATIENCE_S, wait_until
from tests.services.raw import Answer, Raw, greets, plain, request
from tests.services.traffic import Call, ask_for

MANY, FEW = 1000, 8
HEADER_TIMEOUT_S, BODY_TIMEOUT_S = 5, 5  # Callers who are not slow need them, too.
SMALL = 65_536  # How much a client takes that does not read.
MAX_CONNECTIONS = 1100
CALL = Call("XXXModel", {"name": "Leo"})
LARGE = request("GET /docs/swagger-ui-bundle.js HTTP/1.1")
HEAD, _, BODY = plain("L" * 100).partition(b"\r\n\r\n")
# What a slow client sends at once, and what it sends byte by byte.
SLOW = {
    "header": (HEAD[:1], HEAD[1:]),
    "body": (HEAD + b"\r\n\r\n", BODY),
    "body for Flask": (HEAD.replace(b"POST", b"PUT") + b"\r\n\r\n", BODY),
    "chunks": (
        request("POST /v1/XXXModel HTTP/1.1", None, "Transfer-Encoding: chunked"),
        b"1\r\na\r\n" * 100,
    ),
}


@pytest.fixture(scope="module", autouse=True)
def many_files() -> Iterator[None]:
    """Let this process open so many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * MANY), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyService]:
    """A service with little patience."""
    with lane_service(
        tmp_path_factory.mktemp("slow"),
        "asgi",
        HEADER_TIMEOUT_S=str(HEADER_TIMEOUT_S),
        BODY_TIMEOUT_S=str(BODY_TIMEOUT_S),
        MAX_CONNECTIONS=str(MAX_CONNECTIONS),
    ) as service:
        yield service


def is_open(raw: Raw) -> bool:
    """Say whether nothing has come from the service, not even the end."""
    with selectors.DefaultSelector() as selector:
        selector.register(raw.socket, selectors.EVENT_READ)
        return not selector.select(0)


def drip(slow: list[Raw], rest: bytes) -> float:
    """Send a byte a second to each until none is open; return how long that took."""
    started_s = time.monotonic()
    for number in range(len(rest)):
        still = [raw for raw in slow if is_open(raw)]
        if not still:
            break
        for raw in still:
            try:
                raw.send(rest[number : number + 1])
            except ConnectionError:
                continue
        time.sleep(max(0.0, started_s + number + 1 - time.monotonic()))
    return time.monotonic() - started_s


@pytest.mark.parametrize("kind", SLOW)
def test_slow_clients_are_closed_and_stop_nobody(service: FaultyService, kind: str) -> None:
    first, rest = SLOW[kind]
    with ExitStack() as stack:
        slow = [stack.enter_context(Raw(service.url, first)) for _ in range(MANY)]
        replies = ask_for(service.url, CALL, 1.0, FEW)
        taken_s = drip(slow, rest)
        answers = [raw.answer() for raw in slow]
        assert {answer.status for answer in answers} == {408}
        assert answers[0].json == {"message": "The request did not come in time"}
        assert answers[0].ends
    assert {reply.status for reply in replies} == {200}
    assert taken_s < len(rest) - 1, "they were ended by their own end"


def test_clients_that_say_nothing_are_closed_without_a_word(service: FaultyService) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(Raw(service.url)) for _ in range(50)]
        assert all(raw.is_over() for raw in silent)


def test_clients_that_are_idle_between_requests_are_kept(service: FaultyService) -> None:
    """They have 75 s; the clock of the headers starts with the first byte."""
    requests = [plain(), request("GET /v1 HTTP/1.1")] * 25
    with ExitStack() as stack:
        idle = [stack.enter_context(Raw(service.url, data)) for data in requests]
        for raw in idle:
            assert raw.answer().status == 200
        time.sleep(HEADER_TIMEOUT_S + BODY_TIMEOUT_S + 2)
        assert all(is_open(raw) for raw in idle)
        for raw in idle:
            raw.send(plain())
            assert greets(raw.answer())
        idle[0].send(requests[0][:10])
        assert idle[0].answer().status == 408


def test_half_a_request_behind_another_is_not_waited_for_for_long(service: FaultyService) -> None:
    firsts = [plain(), request("GET /v1 HTTP/1.1")]
    halves = [plain()[:30], plain()[:-3]]
    with ExitStack() as stack:
        raws = [
            stack.enter_context(Raw(service.url, first + half))
            for first in firsts
            for half in halves
        ]
        assert [raw.answer().status for raw in raws] == [200] * 4
        answers = [raw.answer() for raw in raws]
        assert [(answer.status, answer.ends) for answer in answers] == [(408, True)] * 4


def test_body_that_takes_long_but_flows_is_read(service: FaultyService) -> None:
    """A client has a second more for each 1,000 bytes."""
    body = b'{"name": "Leo"}' + b" " * 20_000
    data = request("POST /v1/XXXModel HTTP/1.1", body)
    with Raw(service.url) as raw:
        for at in range(0, len(data), 2000):
            raw.send(data[at : at + 2000])
            time.sleep(0.6)
        assert greets(raw.answer())


def connections(service: FaultyService) -> int:
    """Count those of the HTTP worker."""
    return sum(
        connection.status == psutil.CONN_ESTABLISHED or connection.status == psutil.CONN_CLOSE_WAIT
        for connection in worker(service).net_connections("tcp")
    )


def worker(service: FaultyService) -> psutil.Process:
    (found,) = (
        process
        for process in psutil.Process(service.pid).children()
        if "model_serving.serving.supervisor" not in process.cmdline()
    )
    return found


def many(data: bytes, count: int, last: str) -> bytes:
    """Repeat a request; the last one says what becomes of the connection."""
    field = f"\r\nConnection: {last}\r\n\r\n".encode()
    return data * (count - 1) + data.replace(b"\r\n\r\n", field)


@pytest.mark.parametrize("last", ["keep-alive", "close"])
def test_client_that_does_not_read_is_closed(service: FaultyService, last: str) -> None:
    """The kernel holds some of its answers, and the service gives up on the others."""
    wait_until(lambda: connections(service) == 0, "the connections of other tests are closed")
    with ExitStack() as stack:
        raws = [Raw(service.url, many(LARGE, 10, last), buffer_bytes=SMALL) for _ in range(10)]
        for raw in raws:
            stack.enter_context(raw)
        wait_until(lambda: not any(map(is_open, raws)), "they are answered")
        with Raw(service.url, plain()) as raw:
            assert greets(raw.answer())
        wait_until(lambda: connections(service) == 0, "they are closed")


def test_client_that_asks_without_reading_is_closed(service: FaultyService) -> None:
    """It cannot have the service pile up answers."""
    wait_until(lambda: connections(service) == 0, "the connections of other tests are closed")
    memory = worker(service).memory_info().rss
    with Raw(service.url, buffer_bytes=SMALL) as raw:
        raw.socket.settimeout(1)
        sent, data = 0, plain("L" * 1000) * 50
        try:
            while sent < 100_000_000:
                sent += raw.socket.send(data)
        except (TimeoutError, ConnectionError):
            pass
        wait_until(lambda: connections(service) == 0, "it is closed")
    assert sent < 100_000_000
    assert worker(service).memory_info().rss < memory + 20_000_000


def test_client_that_reads_slowly_gets_all(service: FaultyService) -> None:
    """An answer may take longer than the timeout, as long as something of it is taken."""
    message = b"x" * 12_000_000  # Far more than the kernel holds.
    pause_s = 3 * BODY_TIMEOUT_S / (len(message) / SMALL)
    data = request("POST /v1/EchoModel HTTP/1.1", b'{"msg":"%b"}' % message, "Connection: close")
    got = bytearray()
    with Raw(service.url, data, buffer_bytes=SMALL) as raw:
        while more := raw.socket.recv(SMALL):
            got += more
            time.sleep(pause_s)
    assert got.endswith(b'{"response":"%b","success":true}\n' % message)


def test_too_many_connections_are_refused_until_others_end(service: FaultyService) -> None:
    wait_until(lambda: connections(service) < 5, "the connections of other tests are closed")
    with ExitStack() as stack:
        kept = [stack.enter_context(Raw(service.url, plain())) for _ in range(MAX_CONNECTIONS)]
        assert all(greets(raw.answer()) for raw in kept)
        refused: list[Answer] = []
        for _ in range(20):
            with Raw(service.url) as raw:
                refused.append(raw.answer())
                assert raw.is_over()
        assert {answer.status for answer in refused} == {503}
        assert refused[0].json == {"message": "Too many connections"}
        assert int(refused[0].headers["retry-after"]) >= 1
        kept[0].send(plain())
        assert greets(kept[0].answer())
        for raw in kept[: MAX_CONNECTIONS // 2]:
            raw.close()

        def is_answered() -> bool:
            with Raw(service.url, plain()) as raw:
                return greets(raw.answer())

        wait_until(is_answered, "there is room again")
        replies = ask_for(service.url, CALL, 0.5, FEW)
        assert {reply.status for reply in replies} == {200}


def test_flood_of_connections_leaves_the_service_alive(service: FaultyService) -> None:
    """Those far beyond the limit are not even told."""
    with ExitStack() as stack:
        flood = [stack.enter_context(Raw(service.url)) for _ in range(MAX_CONNECTIONS + 300)]
        assert all(raw.is_over() or raw.answer().status == 503 for raw in flood[MAX_CONNECTIONS:])
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        with Raw(service.url, plain()) as raw:
            if greets(raw.answer()):
                return
    raise AssertionError("nobody is answered any more")
