import time
from dataclasses import dataclass, field

import pytest

from model_serving.figures import Figures
from model_serving.serving.batching import Queue
from model_serving.serving.wire import Answer, Cancel, FrameReader, Outcome, Question


@dataclass(eq=False)
class Listener:
    """A caller in this process, which keeps what it is sent."""

    is_open: bool = True
    sent: bytearray = field(default_factory=bytearray)

    def send(self, data: bytes | bytearray) -> None:
        self.sent += data

    def answers(self) -> list[Answer]:
        reader: FrameReader[Answer] = FrameReader(Answer)
        return reader.feed(bytes(self.sent))


def question(number: int, alone: bool = False, in_s: float = 60) -> Question:
    now_s = time.monotonic()
    return Question(number, now_s, now_s + in_s, alone, None)


def queue_of(
    *questions: Question,
    maximum: int = 3,
    caller: Listener | None = None,
    figures: Figures | None = None,
) -> Queue:
    queue = Queue(maximum, figures or Figures())
    caller = caller or Listener()
    for asked in questions:
        queue.put(asked, caller)
    return queue


def batches(queue: Queue) -> list[list[int]]:
    """Return the numbers of the questions in each batch, until none is left."""
    taken = []
    while len(queue):
        taken.append([waiting.question.id for waiting in queue.take()])
    return taken


@pytest.mark.parametrize(
    ("count", "maximum", "expected"),
    [
        (0, 3, []),
        (2, 3, [[0, 1]]),
        (3, 3, [[0, 1, 2]]),
        (7, 3, [[0, 1, 2], [3, 4, 5], [6]]),
        (2, 1, [[0], [1]]),
    ],
    ids=["none", "few", "full", "many", "no batches"],
)
def test_queue_gives_batches_in_order_up_to_the_maximum(
    count: int, maximum: int, expected: list[list[int]]
) -> None:
    assert batches(queue_of(*map(question, range(count)), maximum=maximum)) == expected


@pytest.mark.parametrize(
    ("alone", "expected"),
    [
        ([True, False, False], [[0], [1, 2]]),
        ([False, True, False], [[0], [1], [2]]),
        ([False, False, True], [[0, 1], [2]]),
        ([True, True, False], [[0], [1], [2]]),
    ],
    ids=["first", "middle", "last", "two"],
)
def test_queue_keeps_an_alone_one_out_of_batches(
    alone: list[bool], expected: list[list[int]]
) -> None:
    queue = queue_of(*(question(number, is_alone) for number, is_alone in enumerate(alone)))
    assert batches(queue) == expected


@pytest.mark.parametrize(
    ("alone", "full"),
    [([], False), ([False, True], False), ([False] * 3, True), ([True], True)],
    ids=["empty", "few", "maximum", "alone"],
)
def test_queue_knows_when_waiting_is_of_no_use(alone: list[bool], full: bool) -> None:
    assert queue_of(*(question(number, value) for number, value in enumerate(alone))).is_full == (
        full
    )


def test_queue_drops_and_counts_what_is_cancelled() -> None:
    caller, figures = Listener(), Figures()
    queue = queue_of(*map(question, range(3)), caller=caller, figures=figures)
    queue.cancel(Cancel(1), caller)
    assert batches(queue) == [[0, 2]]
    assert (figures.dropped["caller left"], caller.answers()) == (1, [])


def test_queue_cancels_no_question_of_somebody_else() -> None:
    queue = queue_of(question(1), caller=Listener())
    queue.cancel(Cancel(1), Listener())
    queue.cancel(Cancel(2), Listener())
    assert batches(queue) == [[1]]


def test_queue_drops_and_counts_what_a_caller_asked_who_has_left() -> None:
    leaver, figures = Listener(), Figures()
    queue = queue_of(question(1), question(2), caller=leaver, figures=figures)
    queue.put(question(3), Listener())
    leaver.is_open = False
    assert batches(queue) == [[3]]
    assert figures.dropped["caller left"] == 2


def test_queue_drops_counts_and_answers_what_comes_too_late() -> None:
    caller, figures = Listener(), Figures()
    late = question(1, in_s=-1), question(2), question(3, in_s=0)
    queue = queue_of(*late, caller=caller, figures=figures)
    assert batches(queue) == [[2]]
    assert caller.answers() == [Answer(1, Outcome.EXPIRED), Answer(3, Outcome.EXPIRED)]
    assert figures.dropped["deadline passed"] == 2


def test_queue_fills_the_places_of_what_it_drops() -> None:
    late = [question(number, in_s=-1) for number in range(5)]
    assert batches(queue_of(*late, question(6), question(7), maximum=2)) == [[6, 7]]


def test_queue_drops_an_alone_one_without_giving_an_empty_batch() -> None:
    assert batches(queue_of(question(1, alone=True, in_s=-1), question(2), question(3))) == [[2, 3]]
