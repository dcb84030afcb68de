"""Batches: from all HTTP workers at once, and each answer goes to whoever asked."""

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from model_serving.model_conf import load_model_conf
from model_serving.resources import RESOURCES
from model_serving.web import Example
from model_serving.web.model_resource import served_name
from tests.services.faulty.service import FaultyService, faulty_copy, faulty_service
from tests.services.processes import wait_until
from tests.services.traffic import Call, Caller, ask, ask_over

SHIPPED = [served_name(resource) for resource in RESOURCES]
EXAMPLES = [
    pytest.param(served_name(resource), example, id=f"{served_name(resource)}-{number}")
    for resource in RESOURCES
    for number, example in enumerate(resource.examples, start=1)
]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyService]:
    project = faulty_copy(tmp_path_factory.mktemp("batching"), [*SHIPPED, "FaultyModel"])
    with faulty_service(project) as service:
        yield service


def worker_of(workers: list[psutil.Process], port: int) -> int:
    """Return the HTTP worker at the other end of a connection from this port."""
    (pid,) = [
        worker.pid
        for worker in workers
        for connection in worker.net_connections("tcp")
        if connection.raddr and connection.raddr.port == port
    ]
    return pid


def test_batch_holds_requests_from_all_workers(faulty: FaultyService) -> None:
    tell = Call("FaultyModel", {"do": "tell", "value": None})
    workers = {worker.pid for worker in faulty.workers}
    with ExitStack() as stack, ThreadPoolExecutor(50) as pool:
        callers: list[Caller] = []

        def are_connected() -> bool:
            """Connect, and say whether each worker has some of the callers."""
            callers[:] = [stack.enter_context(Caller(faulty.url)) for _ in range(50)]
            replies = list(pool.map(lambda caller: caller.ask(tell), callers))
            return {worker_of(faulty.workers, reply.port) for reply in replies} == workers

        wait_until(are_connected, "each worker has some of the callers")
        with faulty.paused("FaultyModel"):
            futures = [pool.submit(caller.ask, tell) for caller in callers]
            faulty.wait_for_depth("FaultyModel", len(callers))
        replies = [future.result() for future in futures]
        batches: defaultdict[int, list[int]] = defaultdict(list)
        for reply in replies:
            batches[reply.body["result"]["batch"]].append(worker_of(faulty.workers, reply.port))
    sizes = {reply.body["result"]["batch"]: reply.body["result"]["batch_size"] for reply in replies}
    assert {batch: len(senders) for batch, senders in batches.items()} == sizes
    large = [set(senders) for senders in batches.values() if len(senders) > 10]
    assert workers in large


def test_batch_is_what_came_while_the_one_before_was_predicted(
    faulty: FaultyService, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(6) as pool:
        pool.submit(faulty.ask, "FaultyModel", "wait", str(tmp_path))
        wait_until((tmp_path / "begun").exists, "the one before is being predicted")
        futures = [pool.submit(faulty.ask, "FaultyModel", "tell") for _ in range(5)]
        faulty.wait_for_depth("FaultyModel", 6)
        (tmp_path / "on").touch()
        sizes = [future.result().body["result"]["batch_size"] for future in futures]
    assert sizes == [5] * 5


def question(number: int) -> tuple[Call, Any]:
    """Return one of 10,000 questions to three models, and its answer."""
    text = f"number {number}"
    return [
        (Call("XXXModel", {"name": text}), {"result": f"Hello, {text}!"}),
        (Call("EchoModel", {"msg": text}), {"response": text, "success": True}),
        (Call("FaultyModel", {"do": "echo", "value": [text]}), {"result": [text]}),
    ][number % 3]


def test_answer_belongs_to_its_question(faulty: FaultyService) -> None:
    batches = faulty.metric("model_batch_size_count")
    calls, answers = zip(*map(question, range(10_000)), strict=True)
    replies = ask_over(faulty.url, calls, connections=64)
    wrong = [
        (call, reply)
        for call, reply, answer in zip(calls, replies, answers, strict=True)
        if (reply.status, reply.body) != (200, answer)
    ]
    assert wrong == []
    assert faulty.metric("model_batch_size_count") - batches < len(calls)


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
def test_batch_answers_as_single_calls_do(
    faulty: FaultyService, model: str, example: Example
) -> None:
    single = ask(faulty.url, Call(model, example.request))
    batches = faulty.metric("model_batch_size_count", model=model)
    replies = faulty.together(model, *[example.request] * 20)
    assert single.status == 200
    assert [reply.body for reply in replies] == [single.body] * 20
    if load_model_conf(model).serving.max_batch_size > 1:
        assert faulty.metric("model_batch_size_count", model=model) - batches < 20
