"""Whose turn it is."""

import itertools

from model_serving.jobs.record import Record
from tests.jobs.conftest import OpenRecord
from tests.jobs.work import accepted, claimed, found

MODELS = ("XXXModel",)


def served(record: Record) -> str:
    """Have a chunk claimed of the job whose turn it is, and return its id."""
    claim = record.claims.claim_next("tester", MODELS)
    assert claim is not None
    return claim.job.id


def test_equals_take_turns_and_high_priority_goes_first(record: Record) -> None:
    lows = [accepted(record, chunks=20).id for _ in range(2)]
    assert [served(record) for _ in range(4)] == lows * 2
    highs = [accepted(record, chunks=2, priority=1).id for _ in range(2)]
    assert [served(record) for _ in range(6)] == highs * 2 + lows


def test_each_tenth_turn_is_of_low_priority_however_many_others_there_are(record: Record) -> None:
    lows = [accepted(record, chunks=20).id for _ in range(2)]
    highs = [accepted(record, chunks=20, priority=1).id for _ in range(3)]
    turns_of_all = [served(record) for _ in range(30)]
    high_turns = itertools.cycle(highs)
    assert turns_of_all[9::10] == [*lows, lows[0]]
    assert [each for each in turns_of_all if each in highs] == [next(high_turns) for _ in range(27)]


def test_nobody_has_a_turn_who_has_nothing_to_do(record: Record) -> None:
    record.cancel(accepted(record, priority=1).id)
    claimed(record, accepted(record, priority=1).id)
    accepted(record, model="OtherModel", priority=1)
    assert record.claims.claim_next("tester", ()) is None
    assert record.claims.claim_next("tester", MODELS) is None
    low = accepted(record).id
    assert served(record) == low
    assert record.claims.claim_next("tester", MODELS) is None


def test_chunk_that_was_given_back_was_no_turn(record: Record) -> None:
    first, second = (accepted(record, chunks=2).id for _ in range(2))
    claim = claimed(record, first)
    assert record.claims.heartbeat(claim)
    assert record.claims.release(claim)
    assert [served(record) for _ in range(3)] == [first, second, first]
    early, late = (claimed(record, accepted(record, chunks=3).id) for _ in range(2))
    again = claimed(record, early.job.id)
    assert record.claims.release(early)  # Somebody else has one of that job.
    assert found(record, again.job.id).heartbeat_s > late.since_s


def test_job_that_kills_its_workers_gives_its_turn_away(open_: OpenRecord) -> None:
    record = open_(max_attempts=1)
    poison = accepted(record).id
    assert served(record) == poison
    other = accepted(record).id
    record.upkeep.free("tester")
    assert served(record) == other
    assert found(record, poison).state == "failed"
