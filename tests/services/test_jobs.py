"""Jobs from their acceptance to their end, by real services."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.services.calls import client
from tests.services.faulty.service import FAST, FaultyService, faulty_copy, faulty_service
from tests.services.processes import PATIENCE_S, forget_peak, peak_bytes, wait_until

ENDED = ("succeeded", "failed", "cancelled")
INSIDE = "[serving]\nruntime = in-process\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyService]:
    """A service, where one of the models has no process of its own."""
    names = (*FAST, "CompressModel", "FaultyModel")
    project = faulty_copy(tmp_path_factory.mktemp("jobs"), names, {"echo_model": INSIDE})
    with faulty_service(project, WORKERS="1") as service:
        yield service


@pytest.fixture
def caller(service: FaultyService) -> Iterator[httpx.Client]:
    with client(service.url) as caller:
        yield caller


def accepted(caller: httpx.Client, url: str, **request: Any) -> Any:
    answer = caller.post(url, **request)
    assert answer.status_code == 202, answer.text
    return answer.json()


def ended(caller: httpx.Client, job: Any) -> Any:
    """Wait for the end of a job, and return it as it is then."""
    found: list[Any] = []

    def has_ended() -> bool:
        found[:] = [caller.get(job["links"]["self"]).json()]
        return found[0]["state"] in ENDED

    wait_until(has_ended, "the job has ended")
    return found[0]


def test_bodies_become_responses_on_each_lane(served: FaultyService) -> None:
    with client(served.url) as caller:
        headers = {"Prefer": "respond-async"}
        leo = accepted(caller, "/v1/XXXModel", json={"name": "Leo"}, headers=headers)
        both = {"instances": [{"name": "A"}, {"name": "B"}]}
        two = accepted(caller, "/v1/XXXModel/jobs", json=both)
        assert ended(caller, leo)["result"] == {"result": "Hello, Leo!"}
        assert ended(caller, two)["result"] == [{"result": "Hello, A!"}, {"result": "Hello, B!"}]


def test_model_without_a_process_of_its_own_has_jobs(caller: httpx.Client) -> None:
    job = accepted(caller, "/v1/EchoModel/jobs", json={"msg": "hi"})
    assert ended(caller, job)["result"] == {"response": "hi", "success": True}


@pytest.mark.parametrize("type_", ["application/x-ndjson", "text/csv"])
def test_file_is_scored_in_its_order(caller: httpx.Client, type_: str) -> None:
    count = 2500
    if type_ == "text/csv":
        lines = ["name", *(f'"Leo, {number}"' for number in range(count)), "Leo,2"]
    else:
        lines = [*(f'{{"name": "Leo, {number}"}}' for number in range(count)), "{}"]
    data = "\n".join(lines).encode()
    job = accepted(caller, "/v1/XXXModel/jobs", content=data, headers={"Content-Type": type_})
    done = ended(caller, job)
    assert done["progress"] == {"total": count + 1, "done": count + 1, "failed": 1}
    assert [error["line"] for error in done["errors"]] == [len(lines)]
    result = caller.get(done["links"]["result"]).text.splitlines()
    table = caller.get(done["links"]["result"], params={"format": "csv"}).text.splitlines()
    wanted = [f"Hello, Leo, {number}!" for number in range(count)]
    assert result[:-1] == [f'{{"result":"{text}"}}' for text in wanted]
    assert table[:-1] == ["result,error", *(f'"{text}",' for text in wanted)]


def test_files_go_in_and_come_out(caller: httpx.Client) -> None:
    example = caller.get("/v1/CompressModel").json()["examples"][0]
    listed = accepted(
        caller, "/v1/CompressModel/jobs", json={"instances": [example["request"]] * 2}
    )
    (made,) = example["response"]["result"]
    kept = {"result": [made | {"file": made["file"].replace("/assets/", "/assets/jobs/")}]}
    assert ended(caller, listed)["result"] == [kept] * 2
    picture = caller.get(kept["result"][0]["file"]).raise_for_status().content
    sent = accepted(caller, "/v1/CompressModel/jobs", files={"the_file": ("seven.png", picture)})
    assert ended(caller, sent)["result"] == kept


def test_running_job_is_cancelled(service: FaultyService, caller: httpx.Client) -> None:
    waits = {"do": "sleep", "value": PATIENCE_S}
    job = accepted(caller, "/v1/FaultyModel/jobs", json=waits)
    url = job["links"]["self"]
    wait_until(lambda: caller.get(url).json()["state"] == "running", "the job is running")
    assert caller.delete(url).json()["state"] == "cancelled"
    after = accepted(caller, "/v1/XXXModel/jobs", json={"name": "Leo"})
    assert ended(caller, after)["state"] == "succeeded"
    assert caller.get(url).json()["state"] == "cancelled"
    service.replica("FaultyModel").kill()


def test_file_does_not_stay_in_memory(service: FaultyService, caller: httpx.Client) -> None:
    (worker,) = service.workers

    def upload(size_bytes: int) -> int:
        """Return by how much the worker has grown at the most."""
        before = worker.memory_info().rss
        forget_peak(worker)
        line = b'{"name": "%s"}\n' % (b"Leo" * 300)
        data = line * (size_bytes // len(line))
        headers = {"Content-Type": "application/x-ndjson"}
        job = accepted(caller, "/v1/XXXModel/jobs", content=data, headers=headers)
        grown = peak_bytes(worker) - before
        caller.delete(job["links"]["self"])
        return grown

    upload(1_000_000)
    assert upload(30_000_000) < 15_000_000
