"""The frames between callers and replicas, and between the supervisor and its children.

A frame is its length (4 bytes, big-endian) and that many bytes of msgpack: plain data, never a
pickle. A connection carries many of them; an answer names its question by ``id``, and may overtake
others. Times are those of ``time.monotonic``, which all processes of one machine share.
"""

from enum import IntEnum
from typing import Any, Generic, TypeVar

import msgspec

HEADER_BYTES = 4

Frame = TypeVar("Frame")


class Priority(IntEnum):
    """Who goes first: synchronous callers, then jobs, which take what these leave idle."""

    FOREGROUND = 0
    HIGH = 1
    LOW = 2


class Question(msgspec.Struct, array_like=True, tag=1):
    """From a caller: predict ``instance``.

    An ``alone`` one has met a replica that died, so it is kept out of batches, where it could take
    others with it.
    """

    id: int
    sent_s: float
    deadline_s: float
    alone: bool
    instance: Any
    priority: Priority = Priority.FOREGROUND


class Cancel(msgspec.Struct, array_like=True, tag=2):
    """From a caller: nobody waits for this answer any more."""

    id: int


class Outcome(IntEnum):
    """What became of a question."""

    STARTED = 0  # An ``alone`` one is being predicted; its answer follows, unless the replica dies.
    PREDICTED = 1
    INVALID = 2
    FAILED = 3
    EXPIRED = 4
    FULL = 5  # There is no room for a file of the prediction,
    UNSTORED = 6  # or it cannot be kept for another reason.


class Answer(msgspec.Struct, array_like=True):
    """From a replica: the prediction, or the reason why an instance is ``INVALID``."""

    id: int
    outcome: Outcome
    value: Any = None


class ReplicaGone(Exception):
    """The connection broke before the answer came.

    ``was_asked`` says that the replica may have seen the question, ``was_predicting`` that it was
    alone with it.
    """

    def __init__(self, was_asked: bool, was_predicting: bool = False) -> None:
        self.was_asked = was_asked
        self.was_predicting = was_predicting
        super().__init__()


Encoder = msgspec.msgpack.Encoder
_encoder = Encoder()


def encode(frame: Any, encoder: Encoder = _encoder) -> bytearray:
    """Write a frame; an ``encoder`` of one's own may know more than plain data.

    Raises:
        TypeError, ValueError, OverflowError, RecursionError: it holds what is no plain data.
    """
    data = bytearray()
    encoder.encode_into(frame, data, HEADER_BYTES)
    data[:HEADER_BYTES] = (len(data) - HEADER_BYTES).to_bytes(HEADER_BYTES)
    return data


class FrameReader(Generic[Frame]):
    """Cuts what comes over a connection into frames of one kind."""

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(kind)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that ``data`` completes.

        Raises:
            msgspec.DecodeError: they are not of that kind.
        """
        self._buffer += data
        frames, start, size = [], 0, len(self._buffer)
        with memoryview(self._buffer) as view:
            while size - start >= HEADER_BYTES:
                body = start + HEADER_BYTES
                end = body + int.from_bytes(view[start:body])
                if end > size:
                    break
                frames.append(self._decoder.decode(view[body:end]))
                start = end
        del self._buffer[:start]
        return frames
