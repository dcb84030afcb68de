"""What was left is free again, what nobody serves ends, and what is old goes."""

import os
import sqlite3
from contextlib import closing

import pytest

from model_serving.errors import NoJob
from model_serving.jobs import upkeep
from model_serving.jobs.record import Record
from model_serving.jobs.tables import chunks, jobs
from tests.jobs.conftest import OpenRecord
from tests.jobs.work import accepted, claimed, found


def test_work_that_nobody_does_any_more_is_free_again(open_: OpenRecord) -> None:
    record, impatient = open_(), open_(stale_s=0.0)
    job_id = claimed(record, accepted(record, chunks=2).id).job.id
    record.upkeep.free_left()
    assert claimed(record, job_id).number == 1
    impatient.upkeep.free_left()
    again = claimed(record, job_id)
    assert (again.number, again.job.attempts) == (0, 2)


def test_chunk_of_a_dead_worker_is_free_again_while_others_go_on(open_: OpenRecord) -> None:
    record, impatient = open_(), open_(stale_s=600.0)
    job_id = accepted(record, chunks=2).id
    dead, living = claimed(record, job_id), claimed(record, job_id)
    long_ago = chunks.update().values(heartbeat_s=chunks.c.heartbeat_s - 3600)
    with record._database.writing() as connection:
        connection.execute(long_ago)
    assert record.claims.heartbeat(living)
    impatient.upkeep.free_left()
    assert claimed(record, job_id).number == dead.number
    assert record.claims.claim(job_id, "tester") is None


def test_jobs_of_a_model_that_nobody_serves_wait_for_an_update_but_not_for_ever(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, served = (accepted(record, model=name).id for name in ("NewModel", "XXXModel"))
    record.upkeep.end_unserved(["XXXModel"])
    assert found(record, new).state == "queued"
    monkeypatch.setattr(upkeep, "UNSERVED_S", 0.0)
    record.upkeep.end_unserved(["XXXModel", "NewModel"])
    assert found(record, new).state == "queued"
    record.upkeep.end_unserved(["XXXModel"])
    job = found(record, new)
    assert (job.state, job.error and job.error["message"]) == (
        "failed",
        "NewModel is not served any more",
    )
    assert found(record, served).state == "queued"


def test_job_that_another_node_works_on_is_served(open_: OpenRecord) -> None:
    record = open_()
    waiting, under_way = (accepted(record, model="NewModel", chunks=2).id for _ in range(2))
    long_ago = jobs.update().values(heartbeat_s=jobs.c.heartbeat_s - 3600)
    with record._database.writing() as connection:
        connection.execute(long_ago)
    claimed(record, under_way)
    record.upkeep.end_unserved([])
    assert [found(record, each).state for each in (waiting, under_way)] == ["queued", "running"]


def test_large_job_goes_in_steps_and_its_room_is_given_back(open_: OpenRecord, url: str) -> None:
    record, forgetful = open_(), open_(max_age_s=0.0)
    job = accepted(record, chunks=40)
    for _ in range(40):
        record.claims.complete(claimed(record, job.id), os.urandom(100_000))
    kept = accepted(record)
    assert forgetful.upkeep.remove_old() == 1
    assert record.page().jobs == [kept]
    with pytest.raises(NoJob):
        list(record.results.outputs(job.id))
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            database.execute("PRAGMA wal_checkpoint")
            assert database.execute("PRAGMA page_count").fetchone()[0] < 100


def test_age_of_the_oldest_job_is_known(open_: OpenRecord) -> None:
    record = open_()
    assert record.upkeep.oldest_s() == 0.0
    accepted(record)
    before_s = record.upkeep.oldest_s()
    accepted(record)
    assert record.upkeep.oldest_s() > before_s > 0.0


def test_dead_workers_chunk_is_free_at_once_and_no_other(open_: OpenRecord) -> None:
    record = open_()
    job_id = accepted(record, chunks=3).id
    dead, living = (record.claims.claim(job_id, name) for name in ("my_host 1", "my_host 11"))
    assert dead
    assert living
    for name in ("my_host", "my%", "my host 1"):
        record.upkeep.free(name)
    assert record.claims.heartbeat(dead)
    record.upkeep.free("my_host 1")
    assert claimed(record, job_id).number == dead.number
    assert not record.claims.complete(dead, b"")
    assert record.claims.complete(living, b"")


def test_old_jobs_go_with_all_that_is_theirs(open_: OpenRecord) -> None:
    record, forgetful = open_(), open_(max_age_s=0.0)
    ended = [accepted(record, callback_url="https://example.com") for _ in range(11)]
    queued = accepted(record)
    for job in ended:
        record.claims.complete(claimed(record, job.id), b"{}\n{}\n")
    assert record.upkeep.remove_old() == 0
    assert forgetful.upkeep.remove_old() == 11
    assert record.page().jobs == [queued]
    assert record.find(ended[0].id) is None
    assert record.callbacks.take_due(60.0) == []
