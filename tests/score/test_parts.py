"""Parts hold a bounded piece of a file, and are known by what they hold."""

import io

import pytest

from model_serving.jobs.chunk import Chunk
from model_serving.score import parts
from model_serving.score.parts import cut


def chunks(count: int) -> list[Chunk]:
    return [Chunk(number + 1, 1, b"12345\n") for number in range(count)]


def test_parts_hold_all_chunks_in_order_and_no_more_than_they_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "MAX_BYTES", 20)
    found = list(cut(chunks(7), io.BytesIO()))
    assert [len(part.chunks) for part in found] == [3, 3, 1]
    assert [chunk for part in found for chunk in part.chunks] == chunks(7)
    monkeypatch.setattr(parts, "MAX_CHUNKS", 2)
    assert [len(part.chunks) for part in cut(chunks(5), io.BytesIO())] == [2, 2, 1]


def test_hash_of_a_part_is_of_all_that_its_answers_depend_on() -> None:
    (part,) = cut(chunks(2), io.BytesIO())
    (other,) = cut([Chunk(1, 1, b"12345\n"), Chunk(3, 1, b"12345\n")], io.BytesIO())
    asked = [("a", "b"), ("ab",), ("a", "c")]
    hashes = [part.sha256(*words) for words in asked] + [other.sha256("a", "b")]
    assert len(set(hashes)) == 4
    assert part.sha256("a", "b") == hashes[0]
