"""Who works on chunks, and what counts."""

import multiprocessing
from collections import Counter

import pytest

from model_serving.jobs.job import LineError
from model_serving.jobs.record import Record
from tests.jobs.conftest import OpenRecord
from tests.jobs.work import accepted, claimed, found, has_waiting, work_on


def test_chunks_are_claimed_in_order_and_the_last_ends_the_job(record: Record) -> None:
    job_id = accepted(record, chunks=2).id
    first, second = claimed(record, job_id), claimed(record, job_id)
    assert (first.first_line, first.count, first.input) == (1, 2, b"in 0")
    assert (second.first_line, second.count, second.input) == (3, 2, b"in 1")
    assert record.claims.claim(job_id, "tester") is None

    assert record.claims.complete(second, b"2\n", failed=1)
    assert (found(record, job_id).state, found(record, job_id).done) == ("running", 2)
    assert record.claims.complete(first, b"11\n")
    job = found(record, job_id)
    assert (job.state, job.done, job.failed, job.attempts) == ("succeeded", 4, 1, 1)
    assert job.result_bytes == 5


def test_repeated_result_counts_once(record: Record) -> None:
    claim = claimed(record, accepted(record, chunks=2).id)
    assert record.claims.complete(claim, b"first\n")
    assert record.claims.complete(claim, b"second\n")
    assert found(record, claim.job.id).done == 2
    assert list(record.results.outputs(claim.job.id)) == [b"first\n"]


def test_worker_hears_that_its_job_was_cancelled(record: Record) -> None:
    claim = claimed(record, accepted(record).id)
    assert record.claims.heartbeat(claim)
    record.cancel(claim.job.id)
    assert not record.claims.heartbeat(claim)
    assert not record.claims.complete(claim, b"late\n")
    assert not record.claims.release(claim)
    assert (found(record, claim.job.id).state, found(record, claim.job.id).done) == ("cancelled", 0)


def test_late_result_of_a_chunk_that_another_has_is_refused(open_: OpenRecord) -> None:
    record, impatient = open_(), open_(stale_s=0.0)
    job_id = accepted(record).id
    late = claimed(record, job_id)
    assert record.claims.claim(job_id, "tester") is None
    impatient.upkeep.free_left()
    other = claimed(record, job_id)

    assert not record.claims.heartbeat(late)
    assert not record.claims.complete(late, b"late\n")
    assert record.claims.complete(other, b"other\n")
    assert not record.claims.complete(late, b"late\n")
    assert list(record.results.outputs(job_id)) == [b"other\n"]


def test_worker_that_was_given_up_and_lives_may_go_on(open_: OpenRecord) -> None:
    record, impatient = open_(), open_(stale_s=0.0)
    claim = claimed(record, accepted(record).id)
    impatient.upkeep.free_left()
    assert has_waiting(record, claim.job.id)
    assert record.claims.heartbeat(claim)
    assert record.claims.claim(claim.job.id, "tester") is None
    assert record.claims.complete(claim, b"{}\n{}\n")


def test_chunk_that_kills_its_workers_ends_its_job(open_: OpenRecord) -> None:
    record = open_(stale_s=0.0, max_attempts=3)
    job_id = accepted(record).id
    for _ in range(3):
        last = claimed(record, job_id)
        record.upkeep.free_left()
    assert record.claims.claim(job_id, "tester") is None
    job = found(record, job_id)
    assert (job.state, (job.error or {})["message"]) == (
        "failed",
        "The work was begun 3 times, and never came to its end: lines 1 to 2",
    )
    assert not record.claims.complete(last, b"late\n")


def test_chunk_given_back_is_no_attempt(open_: OpenRecord) -> None:
    record = open_(max_attempts=1)
    job_id = accepted(record).id
    for _ in range(3):
        claim = claimed(record, job_id)
        assert record.claims.release(claim)
        assert not record.claims.complete(claim, b"late\n")
        assert has_waiting(record, job_id)
    assert record.claims.complete(claimed(record, job_id), b"{}\n{}\n")
    assert not has_waiting(record, job_id)


def test_body_that_failed_ends_its_job_with_the_reason(record: Record) -> None:
    job_id = accepted(record, kind="one").id
    why = [LineError(1, "The model is gone\0", "/name")]
    assert record.claims.complete(claimed(record, job_id), b"", failed=1, errors=why)
    job = found(record, job_id)
    assert (job.state, job.error) == ("failed", {"message": "The model is gone\0", "path": "/name"})


def test_errors_of_lines_are_kept_as_far_as_allowed(open_: OpenRecord) -> None:
    record = open_(max_errors=2)
    job_id = accepted(record, chunks=3).id
    errors = [LineError(line, "is \ud800 wrong", "/n") for line in (1, 2, 3)]
    for some in (errors, [], errors[:1]):
        record.claims.complete(claimed(record, job_id), b"", failed=len(some), errors=some)
    assert list(record.results.errors(job_id)) == [errors[0], errors[1], errors[0]]
    assert found(record, job_id).failed == 4


@pytest.mark.parametrize("processes", [4])
def test_many_workers_do_nothing_twice(url: str, record: Record, processes: int) -> None:
    job_ids = [accepted(record, chunks=12).id for _ in range(4)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        done = pool.starmap(work_on, [(url, job_ids, 2)] * processes)
    worked = Counter(each for part in done for each in part)
    assert worked == Counter((job_id, number) for job_id in job_ids for number in range(12))
    jobs = record.page().jobs
    assert {(job.state, job.done, job.attempts) for job in jobs} == {("succeeded", 24, 1)}
