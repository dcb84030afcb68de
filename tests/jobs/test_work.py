"""What a worker does with the chunk of a job, whatever its model does."""

import asyncio
from typing import Any

import pytest

from model_serving.errors import ModelNotReady
from model_serving.jobs import work as work_module
from model_serving.jobs.chunk import Chunk
from model_serving.jobs.record import Record
from model_serving.jobs.work import Work
from tests.jobs.scripted import Scripted
from tests.jobs.work import accepted, found, has_waiting, new_job

LINES = b'{"name": "a"}\n{"name": "b"}\n{"name": "c"}\n'


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "_AGAIN_S", 0.01)


def begun(record: Record, loop: asyncio.AbstractEventLoop, **scorers: Scripted) -> tuple[Work, Any]:
    """Return work on a job of three lines, and a claim of its chunk."""
    record.accept(new_job(), [Chunk(1, 3, LINES)])
    work = Work(record.claims, scorers, lambda _: 2, loop, stale_s=0.3)
    claim = work.claim("tester")
    assert claim is not None
    return work, claim


def test_response_that_is_no_json_fails_alone(
    record: Record, loop: asyncio.AbstractEventLoop
) -> None:
    work, claim = begun(record, loop, XXXModel=Scripted(b=object()))
    work.do(claim)
    job = found(record, claim.job.id)
    assert (job.state, job.done, job.failed) == ("succeeded", 3, 1)
    assert b"".join(record.results.outputs(job.id)).splitlines() == [
        b'"a"',
        b'{"error":{"line":2,"message":"The model failed"}}',
        b'"c"',
    ]


def test_job_of_a_model_that_is_not_ready_waits_and_holds_up_nobody(
    record: Record, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_module, "_NOT_READY_S", 600.0)
    scorers = {"XXXModel": Scripted(b=ModelNotReady()), "OtherModel": Scripted()}
    work, claim = begun(record, loop, **scorers)
    accepted(record, model="OtherModel")
    work.do(claim)
    assert has_waiting(record, claim.job.id)
    other = work.claim("tester")
    assert other is not None
    assert other.job.model == "OtherModel"
    assert work.models == ["OtherModel"]
    assert work.claim("tester") is None

    monkeypatch.setattr(work_module, "_NOT_READY_S", -1.0)
    work = Work(record.claims, scorers, lambda _: 2, loop, stale_s=0.3)
    for _ in range(record.limits.max_attempts):  # It is no attempt.
        again = work.claim("tester")
        assert again is not None
        work.do(again)
    ready = Work(record.claims, {"XXXModel": Scripted()}, lambda _: 2, loop, stale_s=0.3)
    last = ready.claim("another")
    assert last is not None
    ready.do(last)
    assert found(record, claim.job.id).state == "succeeded"
