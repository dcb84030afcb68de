"""What is told to callers at the end of their jobs."""

from collections.abc import Callable

import pytest

from model_serving.jobs import upkeep
from model_serving.jobs.callbacks import Callback
from model_serving.jobs.record import Record
from tests.jobs.work import accepted, claimed

URL = "https://example.com/told"


def _ended(record: Record) -> str:
    job = accepted(record, callback_url=URL)
    record.cancel(job.id)
    return job.id


@pytest.mark.parametrize(
    "end",
    [
        lambda record, job_id: record.claims.complete(claimed(record, job_id), b"{}\n{}\n"),
        lambda record, _: record.upkeep.end_unserved(["OtherModel"]),
        lambda record, job_id: record.cancel(job_id),
    ],
    ids=["succeeded", "failed", "cancelled"],
)
def test_callback_is_due_once_the_job_has_ended(
    record: Record, end: Callable[[Record, str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "UNSERVED_S", 0.0)
    job_id = accepted(record, callback_url=URL).id
    accepted(record, model="OtherModel")
    assert record.callbacks.take_due(60.0) == []
    end(record, job_id)
    record.cancel(job_id)
    assert record.callbacks.take_due(60.0) == [Callback(job_id, URL, 1)]
    assert record.callbacks.take_due(60.0) == []


def test_callback_of_a_deliverer_that_died_is_due_again(record: Record) -> None:
    job_id = _ended(record)
    assert record.callbacks.take_due(lease_s=0.0) == [Callback(job_id, URL, 1)]
    assert record.callbacks.take_due(lease_s=0.0) == [Callback(job_id, URL, 2)]


def test_callback_is_changed_by_who_took_it_last(record: Record) -> None:
    _ended(record)
    (late,) = record.callbacks.take_due(lease_s=0.0)
    (taken,) = record.callbacks.take_due(60.0)
    record.callbacks.retry(late, 0.0, "It answered 500")
    record.callbacks.delivered(late)
    assert record.callbacks.take_due(0.0) == []
    record.callbacks.retry(taken, 0.0, "It answered 500")
    assert len(record.callbacks.take_due(0.0)) == 1


def test_callback_is_retried_until_it_is_delivered_or_given_up(record: Record) -> None:
    _ended(record)
    _ended(record)
    for callback in record.callbacks.take_due(60.0):
        record.callbacks.retry(callback, 0.0, "It answered 500")
    delivered, given_up = record.callbacks.take_due(0.0)
    record.callbacks.delivered(delivered)
    record.callbacks.give_up(given_up, "It answered 500 ten times")
    record.callbacks.retry(delivered, 0.0, "late")
    assert record.callbacks.take_due(0.0) == []
