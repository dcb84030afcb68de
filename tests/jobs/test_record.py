"""What is accepted, looked up and cancelled."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from model_serving.errors import BadRequest, KeyReused, TooManyJobs
from model_serving.jobs.chunk import Chunk
from model_serving.jobs.record import Record
from tests.jobs.conftest import OpenRecord
from tests.jobs.work import accepted, claimed, found, new_job, work


def test_accepted_job_is_found_as_it_was_asked_for(record: Record) -> None:
    accepted_job = record.accept(new_job(priority=1, format="csv"), work(chunks=40, count=3))
    assert accepted_job.is_new
    job = found(record, accepted_job.job.id)
    assert job == accepted_job.job
    assert (job.state, job.priority, job.format, job.total, job.chunks) == (
        "queued", 1, "csv", 120, 40,
    )  # fmt: skip


def test_job_whose_instances_break_off_is_not_kept(record: Record) -> None:
    def broken() -> Iterator[Chunk]:
        yield from work(chunks=20)
        raise BadRequest("Line 41 is not valid")

    with pytest.raises(BadRequest, match="Line 41"):
        record.accept(new_job(idempotency_key="k"), broken())
    with pytest.raises(BadRequest, match="no instances"):
        record.accept(new_job(idempotency_key="k"), [])
    assert record.page().jobs == []


@pytest.mark.parametrize(
    "job_id",
    ["0" * 32, "", "\0", "\ud800", "0" * 31 + "\n"],
    ids=["unknown", "empty", "nul", "surrogate", "line"],
)
def test_job_that_is_not_there_is_none(record: Record, job_id: str) -> None:
    assert record.find(job_id) is None
    assert record.cancel(job_id) is None
    assert record.claims.claim(job_id, "tester") is None


def test_same_key_gives_the_same_job(open_: OpenRecord) -> None:
    record = open_(max_jobs=1)
    first = record.accept(new_job(idempotency_key="k"), work())
    again = record.accept(new_job(idempotency_key="k"), work())
    assert (again.job, again.is_new) == (first.job, False)


@pytest.mark.parametrize("other", [{"body": b"[]"}, {"model": "EchoModel"}], ids=["body", "model"])
def test_same_key_with_another_request_is_refused(
    record: Record, other: dict[str, bytes | str]
) -> None:
    accepted(record, idempotency_key="k")
    with pytest.raises(KeyReused):
        record.accept(new_job(idempotency_key="k", **other), work())  # type: ignore[arg-type]


def test_same_key_at_the_same_time_gives_one_job(record: Record) -> None:
    def accept(_: int) -> tuple[str, bool]:
        answer = record.accept(new_job(idempotency_key="k"), work())
        return answer.job.id, answer.is_new

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(accept, range(16)))
    assert len({job_id for job_id, _ in answers}) == len(record.page().jobs) == 1
    assert sum(is_new for _, is_new in answers) == 1


def test_more_jobs_than_allowed_are_refused_until_one_ends(open_: OpenRecord) -> None:
    record = open_(max_jobs=2)
    first = accepted(record)
    claimed(record, accepted(record).id)
    with pytest.raises(TooManyJobs) as refused:
        accepted(record)
    assert (refused.value.status, refused.value.retry_after_s > 0) == (429, True)
    record.cancel(first.id)
    assert accepted(record)


def test_pages_list_the_newest_jobs_first(record: Record) -> None:
    ids = [accepted(record).id for _ in range(5)]
    assert ids == sorted(ids)
    first = record.page(limit=3)
    rest = record.page(limit=3, cursor=first.cursor)
    assert [job.id for job in first.jobs + rest.jobs] == ids[::-1]
    assert rest.cursor is None
    with pytest.raises(BadRequest, match="cursor"):
        record.page(cursor="\0")


def test_pages_list_jobs_of_a_model_and_a_state(record: Record) -> None:
    ids = [accepted(record, model=model).id for model in ("A", "B", "A")]
    record.cancel(ids[0])
    assert [job.id for job in record.page(model="A").jobs] == [ids[2], ids[0]]
    assert [job.id for job in record.page(model="A", state="queued").jobs] == [ids[2]]


def test_cancelled_job_has_ended_and_what_has_ended_stays(record: Record) -> None:
    job_id = accepted(record).id
    cancelled = record.cancel(job_id)
    assert cancelled == found(record, job_id)
    assert (cancelled.state, cancelled.ended_s is None) == ("cancelled", False)

    claim = claimed(record, accepted(record).id)
    record.claims.complete(claim, b"{}\n{}\n")
    succeeded = found(record, claim.job.id)
    assert record.cancel(claim.job.id) == succeeded


def test_counts_tell_states_and_the_age_of_the_oldest(record: Record) -> None:
    assert record.counts().oldest_queued_s == 0
    accepted(record)
    claimed(record, accepted(record).id)
    counts = record.counts()
    assert counts.jobs == {("XXXModel", "queued"): 1, ("XXXModel", "running"): 1}
    assert counts.oldest_queued_s > 0
