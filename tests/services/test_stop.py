"""The end of the service and of its HTTP workers, asked for by a signal."""

import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import httpx
import psutil
import pytest

from tests.services.faulty.service import FAST, FaultyService, faulty_copy, faulty_service
from tests.services.processes import PATIENCE_S, living, signal_all, tree, wait_until
from tests.services.traffic import Call, Caller, Reply, ask

A_DAY = str(24 * 60 * 60)
ECHO = Call("FaultyModel", {"do": "echo", "value": 1})
# Calls from other origins are answered by Flask in a thread, on both lanes.
FLASK = {"Origin": "https://www.example.com"}
BOTH = [ECHO, Call("FaultyModel", ECHO.body, FLASK)]
Serve = Callable[..., FaultyService]


@pytest.fixture
def serve(tmp_path: Path, http_worker: str) -> Iterator[Serve]:
    """Return a function that starts a service with these settings."""
    with ExitStack() as stack:

        def start(**settings: str) -> FaultyService:
            patient = {"faulty_model": f"[serving]\ntimeout_s = {A_DAY}\n"}
            project = faulty_copy(tmp_path / "faulty", [*FAST, "FaultyModel"], patient)
            given = {"HTTP_WORKER": http_worker} | settings
            return stack.enter_context(faulty_service(project, **given))

        yield start


def give_up(futures: list[Future[Reply]]) -> None:
    """Hold calls to get no answer."""
    for future in futures:
        with pytest.raises((OSError, HTTPException)):
            future.result(PATIENCE_S)


@contextmanager
def hanging(service: FaultyService, *calls: Call) -> Iterator[list[Future[Reply]]]:
    """Have calls under way that the model does not answer before the end of the block."""
    with ThreadPoolExecutor(len(calls)) as pool, service.paused("FaultyModel"):
        futures = [pool.submit(ask, service.url, call) for call in calls]
        service.wait_for_depth("FaultyModel", len(calls))
        yield futures


def signalled(service: FaultyService, number: signal.Signals) -> None:
    """Send the master a signal, and wait until it has it."""
    psutil.Process(service.pid).send_signal(number)
    name = number.name.removeprefix("SIG").lower()
    wait_until(lambda: f"Handling signal: {name}" in service.log(), "the signal is handled")


def listens(process: psutil.Process) -> bool:
    """Whether a process accepts connections."""
    with suppress(psutil.NoSuchProcess):
        return any(found.status == psutil.CONN_LISTEN for found in process.net_connections("tcp"))
    return False


def test_stop_under_load_answers_every_accepted_request(serve: Serve) -> None:
    service = serve()
    processes, run_dir = tree(service.pid), service.run_dir
    calls = [
        Call("FaultyModel", {"do": "echo", "value": number}, FLASK if number % 2 else {})
        for number in range(40)
    ]
    with hanging(service, *calls) as futures:
        signalled(service, signal.SIGTERM)
    replies = [future.result() for future in futures]
    assert [(reply.status, reply.body["result"]) for reply in replies] == [
        (200, number) for number in range(40)
    ]
    wait_until(lambda: not living(processes), "all processes have ended")
    assert not run_dir.exists()


@pytest.mark.parametrize("http_worker", ["asgi"], indirect=True)
def test_stop_announces_the_end_of_each_connection(serve: Serve) -> None:
    """On gthread, the header is made with the request; its connection waits for one more."""
    service = serve()
    workers = service.workers
    with hanging(service, ECHO, Call("FaultyModel", {"do": "echo", "value": 2}, FLASK)) as futures:
        signalled(service, signal.SIGTERM)
        wait_until(lambda: not any(map(listens, workers)), "the workers know of it")
    assert [future.result().headers["Connection"] for future in futures] == ["close", "close"]


def call_on(url: str) -> None:
    """Call again and again, each time by a new connection, until one fails."""
    while True:
        httpx.get(f"{url}/healthz", timeout=PATIENCE_S, trust_env=False)


def test_stop_refuses_new_callers_at_once(serve: Serve) -> None:
    """One who waited in vain for the end of others' requests could have gone elsewhere."""
    service = serve()
    with hanging(service, ECHO):
        signalled(service, signal.SIGTERM)
        with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
            call_on(service.url)


def test_stop_answers_a_request_on_a_kept_connection(serve: Serve) -> None:
    """Its caller may have sent it before it could know of the stop."""
    service = serve(GRACEFUL_TIMEOUT_S=A_DAY)
    with Caller(service.url) as caller:
        assert caller.ask(ECHO).status == 200
        workers = service.workers
        signal_all(workers, signal.SIGSTOP)
        signalled(service, signal.SIGTERM)
        caller.send(ECHO)
        signal_all(workers, signal.SIGCONT)
        assert caller.answer().body == {"result": 1}


def test_stop_waits_for_no_connection_without_a_request(serve: Serve) -> None:
    service = serve(GRACEFUL_TIMEOUT_S=A_DAY)
    processes = tree(service.pid)
    host, _, port = service.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))), Caller(service.url) as caller:
        assert caller.ask(ECHO).status == 200
        psutil.Process(service.pid).terminate()
        wait_until(lambda: not living(processes), "all processes have ended")


def test_stop_gives_hanging_requests_up_in_the_end(serve: Serve) -> None:
    service = serve(GRACEFUL_TIMEOUT_S="1")
    processes = tree(service.pid)
    with hanging(service, *BOTH) as futures:
        psutil.Process(service.pid).terminate()
        give_up(futures)
    wait_until(lambda: not living(processes), "all processes have ended")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_quick_stop_waits_for_no_request(serve: Serve, number: signal.Signals) -> None:
    service = serve(GRACEFUL_TIMEOUT_S=A_DAY)
    processes = tree(service.pid)
    with hanging(service, *BOTH) as futures:
        psutil.Process(service.pid).send_signal(number)
        give_up(futures)
    wait_until(lambda: not living(processes), "all processes have ended")


def test_quick_stop_hurries_a_stop(serve: Serve) -> None:
    service = serve(GRACEFUL_TIMEOUT_S=A_DAY)
    processes = tree(service.pid)
    with hanging(service, ECHO) as futures:
        signalled(service, signal.SIGTERM)
        signal_all(service.workers, signal.SIGQUIT)
        give_up(futures)
    wait_until(lambda: not living(processes), "all processes have ended")


def test_worker_that_ends_by_a_signal_is_replaced(serve: Serve) -> None:
    service = serve(WORKERS="1", GRACEFUL_TIMEOUT_S=A_DAY)
    for number in ("TERM", "INT", "QUIT", "ABRT", "KILL"):
        (worker,) = service.workers
        with Caller(service.url) as caller:
            assert caller.ask(ECHO).status == 200
            worker.send_signal(signal.Signals[f"SIG{number}"])
            gone, _ = psutil.wait_procs([worker], PATIENCE_S)
            assert gone == [worker], number
        assert ask(service.url, ECHO).body == {"result": 1}
        assert len(service.workers) == 1


def test_worker_answers_what_it_holds_before_it_ends(serve: Serve) -> None:
    service = serve(WORKERS="1", GRACEFUL_TIMEOUT_S=A_DAY)
    (worker,) = service.workers
    with hanging(service, *BOTH) as futures:
        worker.terminate()
        wait_until(lambda: not listens(worker), "it takes no more")
    assert [future.result().body for future in futures] == [{"result": 1}] * 2
    wait_until(lambda: not living([worker]), "the worker has ended")


def test_worker_that_stands_still_is_replaced(serve: Serve) -> None:
    service = serve(WORKERS="1", START_TIMEOUT_S="20")
    (worker,) = service.workers
    worker.suspend()
    wait_until(lambda: not living([worker]), "the worker has ended")
    assert ask(service.url, ECHO).body == {"result": 1}


@pytest.mark.parametrize("headers", [{}, FLASK], ids=["plain", "flask"])
def test_model_that_hangs_in_a_worker_does_not_outlive_the_master(
    serve: Serve, tmp_path: Path, headers: dict[str, str]
) -> None:
    service = serve(RUNTIME="in-process", GRACEFUL_TIMEOUT_S="1")
    processes, begun = tree(service.pid), tmp_path / "begun"
    with ThreadPoolExecutor() as pool:
        call = Call("FaultyModel", {"do": "hang", "value": str(begun)}, headers)
        future = pool.submit(ask, service.url, call)
        wait_until(begun.exists, "the model hangs")
        psutil.Process(service.pid).kill()
        with pytest.raises((OSError, HTTPException)):
            future.result(PATIENCE_S)
    wait_until(lambda: not living(processes), "all processes have ended")


def test_stop_is_heard_while_workers_start(serve: Serve) -> None:
    service = serve(WORKERS="1", GRACEFUL_TIMEOUT_S=A_DAY)
    (worker,) = service.workers
    worker.kill()
    wait_until(lambda: service.workers not in ([], [worker]), "there is a new worker")
    processes = tree(service.pid)
    psutil.Process(service.pid).terminate()
    wait_until(lambda: not living(processes), "all processes have ended")
