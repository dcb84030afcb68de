"""Requests that follow each other on one connection, however their bytes are cut, on each lane."""

import time

import pytest

from tests.services.faulty.service import FaultyService
from tests.services.raw import Answer, Raw, faulty, greets, plain, request

# The asgi lane answers some of them itself, and gives the others to Flask.
KINDS = {
    "plain": plain,
    "flask": lambda *fields: request("GET /v1/XXXModel HTTP/1.1", None, *fields),
    "body": lambda *fields: request("DELETE /v1/XXXModel HTTP/1.1", b"{}", *fields),
    "chunks": lambda *fields: (
        request("POST /v1/XXXModel HTTP/1.1", None, "Transfer-Encoding: chunked", *fields)
        + b"2\r\n[]\r\n0\r\n\r\n"
    ),
    "model": lambda *fields: faulty("echo", 1, *fields),
}
MIXTURES = [
    ["plain", "plain"],
    ["plain", "flask"],
    ["flask", "plain"],
    ["flask", "flask"],
    ["plain", "body", "plain"],
    ["model", "plain", "flask", "model"],
    ["plain"] * 10,
    ["flask"] * 10,
    ["plain", "flask"] * 5,
]
SEGMENT_S = 0.001  # What is sent so much later is mostly received apart.


def numbered(kind: str, number: int) -> bytes:
    """Write a request with a number by which its answer is known."""
    field = f"X-Request-ID: {number}"
    return plain("Leo", field) if kind == "plain" else KINDS[kind](field)


def told(answers: list[Answer]) -> list[str]:
    return [answer.headers["x-request-id"] for answer in answers]


@pytest.mark.parametrize("kinds", MIXTURES, ids="+".join)
def test_pipelined_requests_are_answered_in_order(served: FaultyService, kinds: list[str]) -> None:
    requests = [numbered(kind, number) for number, kind in enumerate(kinds)]
    with Raw(served.url) as alone:
        expected = []
        for data in requests:
            alone.send(data)
            expected.append(alone.answer().body)
    with Raw(served.url, b"".join(requests)) as raw:
        answers = [raw.answer() for _ in requests]
        raw.send(plain())
        assert greets(raw.answer())
    assert told(answers) == [str(number) for number in range(len(kinds))]
    assert [answer.body for answer in answers] == expected


def test_pipelined_requests_cut_anywhere_are_answered_in_order(served: FaultyService) -> None:
    data = b"".join(
        numbered(kind, number) for number, kind in enumerate(["plain", "flask", "plain", "plain"])
    )
    with Raw(served.url) as raw:
        for at in range(1, len(data)):
            raw.send(data[:at])
            time.sleep(SEGMENT_S)
            raw.send(data[at:])
            assert told([raw.answer() for _ in range(4)]) == ["0", "1", "2", "3"], at


@pytest.mark.parametrize("first", ["model", "body"])
def test_request_cut_behind_another_is_answered_as_it_stands(
    served: FaultyService, first: str
) -> None:
    """Its head may come in any pieces, while the one before is answered or after that."""
    data = plain("Leo", "X-Request-ID: second")
    with Raw(served.url) as raw:
        for at in range(0, len(data), 7):
            raw.send(KINDS[first]() + data[:at])
            raw.answer()
            raw.send(data[at:])
            second = raw.answer()
            assert greets(second), at
            assert told([second]) == ["second"]


def test_slow_answer_comes_before_those_of_later_requests(served: FaultyService) -> None:
    slow, quick = faulty("sleep", 0.2), plain()
    with Raw(served.url) as raw:
        for _ in range(3):
            raw.send(slow)
            time.sleep(0.05)
            raw.send(quick)
            time.sleep(0.05)
            raw.send(quick)
            assert [raw.answer().body[:14] for _ in range(3)] == [
                b'{"result":0.2}',
                b'{"result":"Hel',
                b'{"result":"Hel',
            ]


def test_same_head_with_other_bodies_brings_other_answers(served: FaultyService) -> None:
    names = [f"{number:04}" for number in range(200)]
    with Raw(served.url) as raw:
        for name in names:
            raw.send(plain(name))
            assert greets(raw.answer(), name)


def test_same_head_with_a_body_in_pieces_brings_its_own_answer(served: FaultyService) -> None:
    data = plain("Ann")
    with Raw(served.url) as raw:
        for at in range(len(data) - 20, len(data)):
            for part in (plain("Leo"), plain("Bob")):
                raw.send(part)
                assert raw.answer().status == 200
            raw.send(data[:at])
            time.sleep(SEGMENT_S)
            raw.send(data[at:])
            assert greets(raw.answer(), "Ann")


def test_head_seen_before_is_no_part_of_a_body(served: FaultyService) -> None:
    """A body may hold what is a request elsewhere."""
    inner = plain()
    with Raw(served.url, inner) as raw:
        assert greets(raw.answer())
        raw.send(request("POST /v1/XXXModel HTTP/1.1", inner))
        assert raw.answer().status == 400
        head, _, body = request("POST /v1/XXXModel HTTP/1.1", inner).partition(b"\r\n\r\n")
        raw.send(head + b"\r\n\r\n")
        time.sleep(SEGMENT_S)
        raw.send(body)
        assert raw.answer().status == 400
        raw.send(inner)
        assert greets(raw.answer())


def test_half_a_head_behind_a_request_changes_nothing_for_others(served: FaultyService) -> None:
    """Its second piece looks like a request to another model, and must not be taken for one."""
    looks_like = request("POST /v1/EchoModel HTTP/1.1", b'{"msg": "one"}')
    with Raw(served.url, request("GET /v1 HTTP/1.1") + b"POST /v1/XXXModel HTTP/1.1\r\nX: ") as raw:
        assert raw.answer().status == 200
        raw.send(looks_like)
        assert raw.answer().status == 400  # 'name' is a required property
    with Raw(served.url) as raw:
        for _ in range(3):
            raw.send(looks_like)
            assert raw.answer().json == {"response": "one", "success": True}


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nX\r\n\r\n"], ids=repr)
def test_malformed_request_behind_another_is_refused_after_its_answer(
    served: FaultyService, first: str, second: bytes
) -> None:
    with Raw(served.url, numbered(first, 1) + second) as raw:
        answer = raw.answer()
        assert told([answer]) == ["1"]
        if not answer.ends:  # gthread keeps no connection behind a chunked body.
            assert raw.answer().json == {"message": "The request is not valid HTTP"}
        assert raw.is_over()


@pytest.mark.parametrize("kinds", MIXTURES, ids="+".join)
def test_pipelined_requests_before_the_end_are_all_answered(
    served: FaultyService, kinds: list[str]
) -> None:
    requests = [numbered(kind, number) for number, kind in enumerate(kinds)]
    with Raw(served.url, b"".join(requests)) as raw:
        raw.end()
        answers = [raw.answer() for _ in requests]
        assert told(answers) == [str(number) for number in range(len(kinds))]
        assert raw.is_over()
