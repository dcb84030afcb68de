"""Connections that are kept, ended and left, at the socket, on each lane."""

import socket
import struct
import time
from urllib.parse import urlsplit

import psutil
import pytest

from tests.services.faulty.service import FaultyService
from tests.services.processes import wait_until
from tests.services.raw import Raw, faulty, greets, plain, request


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize(
    "data",
    [plain(), request("GET /v1/XXXModel HTTP/1.1"), faulty("sleep", 0.2)],
    ids=["plain", "flask", "slow"],
)
def test_caller_that_has_ended_its_sending_is_answered(
    served: FaultyService, data: bytes, before: int
) -> None:
    with Raw(served.url) as raw:
        for _ in range(before):
            raw.send(data)
            assert raw.answer().status == 200
        raw.send(data)
        raw.end()
        answer = raw.answer()
        assert answer.status == 200
        assert set(answer.before) <= {100}
        assert raw.is_over()


def test_answer_under_way_is_whole_though_the_caller_ends_its_sending(
    served: FaultyService,
) -> None:
    large = request("GET /docs/swagger-ui-bundle.js HTTP/1.1")
    with Raw(served.url, large) as raw:
        expected = raw.answer("GET")
    for data in (large, plain() + large):
        with Raw(served.url, data) as raw:
            if data.startswith(b"POST"):
                assert greets(raw.answer())
            raw.socket.recv(1, socket.MSG_PEEK)
            raw.end()
            answer = raw.answer("GET")
            assert (answer.status, answer.body) == (200, expected.body)
            assert raw.is_over()


def test_connection_ends_if_the_caller_wants_it(served: FaultyService) -> None:
    for data in (
        plain("Leo", "Connection: close"),
        request("GET /v1 HTTP/1.1", None, "Connection: close"),
    ):
        with Raw(served.url, plain(), data) as raw:
            assert greets(raw.answer())
            answer = raw.answer()
            assert (answer.status, answer.ends) == (200, True)
            assert raw.is_over()


@pytest.mark.parametrize("line", ["POST /v1/XXXModel HTTP/1.0", "DELETE /v1/XXXModel HTTP/1.0"])
def test_http_1_0_is_answered_and_ends(served: FaultyService, line: str) -> None:
    with Raw(served.url, request(line, b'{"name": "Leo"}')) as raw:
        answer = raw.answer()
        assert answer.status == (200 if line.startswith("POST") else 405)
        assert "transfer-encoding" not in answer.headers
        assert raw.is_over()


@pytest.mark.parametrize("line", ["POST /v1/XXXModel HTTP/1.0", "DELETE /v1/XXXModel HTTP/1.0"])
def test_http_1_0_is_kept_if_the_caller_wants_it(served: FaultyService, line: str) -> None:
    with Raw(served.url) as raw:
        for _ in range(3):
            raw.send(request(line, b'{"name": "Leo"}', "Connection: keep-alive"))
            answer = raw.answer()
            assert answer.status == (200 if line.startswith("POST") else 405)
            assert not answer.ends


def dropped(service: FaultyService) -> float:
    return service.metric("model_instances_dropped_total", model="FaultyModel", why="caller left")


@pytest.mark.parametrize("is_halved", [False, True], ids=["at once", "after its end"])
@pytest.mark.parametrize("fields", [[], ["Origin: https://a.example"]], ids=["plain", "flask"])
def test_question_of_a_caller_that_leaves_is_taken_back(
    served: FaultyService, fields: list[str], is_halved: bool
) -> None:
    before = dropped(served)
    with served.paused("FaultyModel"):
        raw = Raw(served.url, faulty("echo", 1, *fields))
        served.wait_for_depth("FaultyModel", 1)
        if is_halved:
            raw.end()
            # Who has read this, and leaves then, is noticed only when the answer is sent.
            assert raw.socket.recv(1, socket.MSG_PEEK) == b"H"
        raw.close()
        served.wait_for_depth("FaultyModel", 0)
    assert served.ask("FaultyModel", "echo", 1).status == 200
    wait_until(lambda: dropped(served) == before + 1, "the question is dropped")
    wait_until(lambda: "POST /v1/FaultyModel 499" in served.log(), "that is logged")


def test_caller_that_leaves_amid_requests_leaves_nothing(served: FaultyService) -> None:
    with served.paused("FaultyModel"):
        for number in range(30):
            data = faulty("echo", 1) + plain() * (number % 3) + faulty("echo", 1)[: 10 * number]
            raw = Raw(served.url, data)
            time.sleep(0.002 * (number % 4))
            raw.close()
        served.wait_for_depth("FaultyModel", 0)
    with Raw(served.url, plain()) as raw:
        assert greets(raw.answer())


def test_connection_that_is_reset_before_it_is_accepted_harms_nobody(served: FaultyService) -> None:
    workers = {process.pid for process in psutil.Process(served.pid).children()}
    parts = urlsplit(served.url)
    for _ in range(300):
        with socket.socket() as leaving:
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            leaving.connect((parts.hostname, parts.port))
    with Raw(served.url, plain()) as raw:
        assert greets(raw.answer())
    assert {process.pid for process in psutil.Process(served.pid).children()} == workers
