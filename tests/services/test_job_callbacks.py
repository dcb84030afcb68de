"""Callbacks of a real service: one call for each job, and another after a failure."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import orjson

from tests.jobs.receiver import Receiver, receiver, status
from tests.jobs.test_callback import documented
from tests.services.faulty.service import FaultyService, faulty_copy, faulty_service
from tests.services.processes import PATIENCE_S, wait_until

SECRET = "a secret of 20 bytes"


def hand_in(service: FaultyService, callback_url: str) -> httpx.Response:
    return httpx.post(
        f"{service.url}/v1/XXXModel/jobs",
        params={"callback_url": callback_url},
        json={"name": "Leo"},
        timeout=PATIENCE_S,
        trust_env=False,
    )


def database(service: FaultyService) -> sqlite3.Connection:
    return sqlite3.connect(service.project.folder / "data/jobs.db", isolation_level=None)


def callback(service: FaultyService, job_id: str) -> tuple[str, int, str | None]:
    """Return the state of a job's callback, the attempts, and why the last one failed."""
    wanted = "SELECT state, attempts, last_error FROM callbacks WHERE job_id = ?"
    with closing(database(service)) as connection:
        row: tuple[str, int, str | None] | None = connection.execute(wanted, (job_id,)).fetchone()
    return row or ("none", 0, None)


def test_end_of_a_job_is_told_once_and_again_only_after_a_failure(tmp_path: Path) -> None:
    def fail_once(connection: socket.socket) -> None:
        paths = [call.line.split()[1] for call in server.calls]
        is_first = paths[-1] == "/flaky" and paths.count("/flaky") == 1
        status(500 if is_first else 204)(connection)

    project = faulty_copy(tmp_path, ["XXXModel"])
    settings = {"WORKERS": "1", "CALLBACK_SECRET": SECRET, "CALLBACK_PRIVATE": "true"}
    with (
        receiver(fail_once) as server,
        faulty_service(project, **settings) as running,
    ):
        jobs = {}
        for path in ("/good", "/flaky"):
            answer = hand_in(running, f"http://127.0.0.1:{server.port}{path}")
            assert answer.status_code == 202
            jobs[path] = answer.json()["id"]
        wait_until(lambda: callback(running, jobs["/flaky"])[2] is not None, "a call has failed")
        with closing(database(running)) as connection:  # It is due in some seconds: have it so now.
            due = "UPDATE callbacks SET next_s = 0 WHERE job_id = ? AND attempts = 1"
            connection.execute(due, [jobs["/flaky"]])
        wait_until(
            lambda: all(callback(running, job_id)[0] == "delivered" for job_id in jobs.values()),
            "both ends are told",
        )
        assert callback(running, jobs["/good"]) == ("delivered", 1, None)
        assert callback(running, jobs["/flaky"]) == ("delivered", 2, None)
        assert f"callback of job {jobs['/flaky']}: the answer was 500; it is due" in running.log()
        assert SECRET not in running.log() + running.printed.read_text()
        url = f"{running.url}/v1/jobs/{jobs['/good']}"
        told = httpx.get(url, timeout=PATIENCE_S, trust_env=False).json()
    check_calls(server, jobs, told)


def check_calls(server: Receiver, jobs: dict[str, str], told: dict[str, object]) -> None:
    lines = sorted(call.line for call in server.calls)
    assert lines == [f"POST {path} HTTP/1.1" for path in ("/flaky", "/flaky", "/good")]
    for call in server.calls:
        assert documented()(call.headers, call.body, SECRET.encode())
        body = orjson.loads(call.body)
        assert (body["id"], body["state"]) == (jobs[call.line.split()[1]], "succeeded")
    good = next(orjson.loads(call.body) for call in server.calls if "/good" in call.line)
    assert good == {name: told[name] for name in good}
    assert "result" not in good
