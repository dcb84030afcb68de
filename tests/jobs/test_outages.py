"""The work goes on after a database was away, and is handed in or given back at a stop."""

import asyncio
import threading
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from model_serving.jobs.chunk import Chunk
from model_serving.jobs.job import Job
from model_serving.jobs.record import Record, open_record
from model_serving.jobs.work import Work
from model_serving.serving.wire import Priority
from tests.jobs.work import found, has_waiting, new_database, new_job
from tests.services.postgres import needs_postgres, postgres_server
from tests.services.processes import wait_until


class Slow:
    """A scorer that answers an instance by itself, once it may."""

    def __init__(self) -> None:
        self.may_answer, self.is_asked = threading.Event(), threading.Event()

    def accepts_property(self, name: str, value: Any) -> bool:
        """Accept anything."""
        return True

    def checked(self, body: Any) -> Any:
        """Take anything."""
        return body

    def score(self, body: Any, priority: Priority) -> Awaitable[Any]:
        """Return the body, later."""
        return asyncio.to_thread(self._answer, body)

    def _answer(self, body: Any) -> Any:
        self.is_asked.set()
        assert self.may_answer.wait(60)
        return body


def work_of(record: Record, scorer: Slow, loop: asyncio.AbstractEventLoop) -> Work:
    return Work(record.claims, {"XXXModel": scorer}, lambda _: 1, loop, stale_s=0.3)


def handed_in(record: Record) -> Job:
    return record.accept(new_job(), [Chunk(1, 1, b'{"name": "Leo"}\n')]).job


def do(work: Work) -> bool:
    """Do a chunk, and return whether there was one."""
    claim = work.claim("tester")
    if claim is not None:
        work.do(claim)
    return claim is not None


@needs_postgres
def test_work_waits_for_its_database(loop: asyncio.AbstractEventLoop) -> None:
    scorer = Slow()
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server())
        pool = stack.enter_context(ThreadPoolExecutor())
        record = stack.enter_context(closing(open_record(new_database(server))))
        job, work = handed_in(record), work_of(record, scorer, loop)
        stack.callback(work.stop)
        stack.callback(scorer.may_answer.set)
        server.kill()
        doing = pool.submit(do, work)
        assert not scorer.is_asked.wait(0.3)
        server.start()
        assert scorer.is_asked.wait(60)
        server.kill()
        scorer.may_answer.set()
        server.start()
        assert doing.result(60)
        assert found(record, job.id).state == "succeeded"


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "undone"])
def test_stop_hands_in_what_is_done_and_gives_back_the_rest(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, is_done: bool
) -> None:
    scorer = Slow()
    with (
        closing(open_record(f"sqlite:///{tmp_path}/jobs.db")) as record,
        ThreadPoolExecutor() as pool,
    ):
        job, work = handed_in(record), work_of(record, scorer, loop)
        doing = pool.submit(do, work)
        assert scorer.is_asked.wait(60)
        if is_done:
            scorer.may_answer.set()
            wait_until(lambda: found(record, job.id).state == "succeeded", "it has ended")
        work.stop()
        assert doing.result(60)
        scorer.may_answer.set()
        assert has_waiting(record, job.id) is not is_done
        assert work.claim("tester") is None
