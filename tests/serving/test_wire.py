from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_serving.serving.plan import Contents, Report
from model_serving.serving.wire import Answer, Cancel, FrameReader, Outcome, Question, encode

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
IDS = st.integers(0, 2**63)
QUESTIONS = st.builds(Question, IDS, st.floats(0, 1e9), st.floats(0, 1e9), st.booleans(), PLAIN)
FRAMES = QUESTIONS | st.builds(Cancel, IDS)


# The first examples load the tables of all characters.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def callers_frames() -> FrameReader[Question | Cancel]:
    return FrameReader(Question | Cancel)


@patient
@given(st.lists(FRAMES, max_size=5))
def test_frames_come_out_as_they_went_in(frames: list[Question | Cancel]) -> None:
    reader = callers_frames()
    assert reader.feed(b"".join(map(encode, frames))) == frames
    assert reader.feed(b"") == []


@patient
@given(st.builds(Answer, IDS, st.sampled_from(Outcome), PLAIN))
def test_answer_comes_out_as_it_went_in(answer: Answer) -> None:
    reader: FrameReader[Answer] = FrameReader(Answer)
    (read,) = reader.feed(bytes(encode(answer)))
    assert read == answer
    assert isinstance(read.outcome, Outcome)


def test_frame_may_be_cut_at_every_byte() -> None:
    frames = [Question(1, 0.5, 1.5, False, {"a": [b"\0\1", 2.5]}), Cancel(1)]
    data = b"".join(map(encode, frames))
    for cut in range(len(data) + 1):
        reader = callers_frames()
        assert reader.feed(data[:cut]) + reader.feed(data[cut:]) == frames


def test_frames_may_come_byte_by_byte() -> None:
    frames = [Cancel(number) for number in range(300)]
    data = b"".join(map(encode, frames))
    reader = callers_frames()
    assert [frame for at in range(len(data)) for frame in reader.feed(data[at : at + 1])] == frames


def test_frame_may_be_large() -> None:
    image = bytes(range(256)) * 2**14
    reader, data = callers_frames(), bytes(encode(Question(1, 0, 0, False, image)))
    assert reader.feed(data[:-1]) == []
    (question,) = reader.feed(data[-1:])
    assert isinstance(question, Question)
    assert question.instance == image


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode("text"),
        msgspec.msgpack.encode([3, 1]),
        msgspec.msgpack.encode([1, "id", 0.0, 0.0, False, None]),
        msgspec.msgpack.encode([1, 1, 0.0]),
        msgspec.msgpack.encode([2, 1]) + b"\0",
    ],
    ids=["empty", "no msgpack", "no frame", "unknown", "wrong type", "too short", "too long"],
)
def test_wrong_data_raises(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        callers_frames().feed(len(body).to_bytes(4) + body)


def _nested() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (object(), TypeError),
        (lambda: None, TypeError),
        (2**64, OverflowError),
        ("\ud800", ValueError),
        (_nested(), RecursionError),
    ],
    ids=["object", "function", "large", "surrogate", "deep"],
)
def test_what_is_no_plain_data_raises(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        encode(Answer(1, Outcome.PREDICTED, value))


@patient
@given(st.lists(PLAIN))
def test_report_comes_out_as_it_went_in(predictions: list[Any]) -> None:
    reader: FrameReader[Report] = FrameReader(Report)
    assert reader.feed(bytes(encode(Report(predictions)))) == [Report(predictions)]


def test_message_of_another_kind_raises() -> None:
    reader: FrameReader[Contents] = FrameReader(Contents)
    with pytest.raises(msgspec.DecodeError):
        reader.feed(bytes(encode({"models": 1})))
