"""A worker finds what waits without a message, and what the dead have left."""

import asyncio
from pathlib import Path

from model_serving.jobs.engine import FOLDER, Engine
from model_serving.jobs.presence import Presence
from model_serving.jobs.record import Record
from model_serving.jobs.shift import Shift
from model_serving.jobs.work import Work
from tests.jobs.scripted import Scripted
from tests.jobs.work import accepted, found, has_waiting


def shift_of(
    record: Record, loop: asyncio.AbstractEventLoop, here: Presence, folder: Path
) -> Shift:
    work = Work(record.claims, {"XXXModel": Scripted()}, lambda _: 2, loop, stale_s=0.3)
    return Shift(Engine(FOLDER, folder), work, record.upkeep, here, lambda: None)


def test_worker_does_all_that_waits_and_what_it_does_not_know_that_it_has(
    record: Record, loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    here = Presence(tmp_path / "workers")
    jobs = [accepted(record, chunks=3).id for _ in range(2)]
    assert record.claims.claim(jobs[0], here.name)
    shift = shift_of(record, loop, here, tmp_path)
    shift.work_on()
    shift.work_on()  # As it does each second.
    assert {found(record, each).state for each in jobs} == {"succeeded"}


def test_worker_takes_over_from_the_dead_and_from_nobody_else(
    record: Record, loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    dead, other, here = (Presence(tmp_path / "workers") for _ in range(3))
    jobs = [accepted(record).id for _ in range(2)]
    for job_id, holder in zip(jobs, (dead, other), strict=True):
        assert record.claims.claim(job_id, holder.name)
    (tmp_path / "workers" / dead.name).unlink()
    (tmp_path / "workers" / dead.name).touch()
    shift_of(record, loop, here, tmp_path).take_over()
    assert [has_waiting(record, each) for each in jobs] == [True, False]
    assert {path.name for path in (tmp_path / "workers").iterdir()} == {other.name, here.name}
