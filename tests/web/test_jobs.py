"""Jobs over HTTP, on both lanes; the tests themselves do the work."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from model_serving.jobs.record import Record
from model_serving.jobs.tables import jobs
from model_serving.resources.xxx_model_resource import XXXModelResource
from model_serving.web.preference import wants_job
from tests.conftest import MakeClient
from tests.web.jobs_desk import claimed, desk_in, work_off

URL = "/v1/XXXModel/jobs"
LEO = {"name": "Leo"}
LINES = b'{"name": "Leo"}\n\n{"name": 5}\n'
NO_LIMITS = ("0", "x", "501", "%C2%B2", "00000000199999", "9" * 5000)
JSON_LINES = {"content_type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def kept_record(client: FlaskClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    with desk_in(tmp_path_factory.mktemp("jobs"), client) as record:
        yield record


@pytest.fixture
def record(kept_record: Record) -> Record:
    """Return the record of the client's jobs, of which there are none."""
    with kept_record._database.writing() as connection:
        connection.execute(sa.delete(jobs))
    return kept_record


def posted(client: FlaskClient, url: str, data: Any = None, **request: Any) -> Any:
    """Send a request, with files where a form has tuples."""
    if isinstance(data, dict):
        data = {
            name: [(io.BytesIO(one[0]), *one[1:]) for one in part] if type(part) is list else part
            for name, part in data.items()
        }
    return client.post(url, data=data, **request)


def accepted(client: FlaskClient, url: str = URL, **request: Any) -> Any:
    """Hand in a job, one body if nothing else is said, and return it."""
    answer = posted(client, url, **request or {"json": LEO})
    assert answer.status_code == 202, answer.text
    job = answer.get_json()
    assert answer.headers["Location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    return job


def looked_at(client: FlaskClient, job: Any) -> Any:
    return client.get(job["links"]["self"]).get_json()


def test_job_of_one_body_is_told_of_until_its_response_is_there(
    client: FlaskClient, record: Record
) -> None:
    job = accepted(client)
    assert (job["state"], job["model"], job["priority"]) == ("queued", "XXXModel", "low")
    assert job["progress"] == {"total": 1, "done": 0, "failed": 0}
    assert client.get(job["links"]["result"]).status_code == 409
    work_off(record, job, {"result": "Hello, Leo!"})
    done = looked_at(client, job)
    assert (done["state"], done["result"]) == ("succeeded", {"result": "Hello, Leo!"})
    assert job["created"] < done["started"] <= done["ended"]


def test_job_of_one_body_fails_with_it(client: FlaskClient, record: Record) -> None:
    job = accepted(client)
    work_off(record, job, "The model failed")
    failed = looked_at(client, job)
    assert (failed["state"], failed["error"]) == ("failed", {"message": "The model failed"})
    assert failed["progress"] == {"total": 1, "done": 1, "failed": 1}
    assert "failed" in client.get(job["links"]["result"]).get_json()["message"]


def test_job_of_a_list_answers_each_of_it(client: FlaskClient, record: Record) -> None:
    job = accepted(client, json={"instances": [LEO, {"name": "Bo"}]})
    work_off(record, job, {"result": "Hello, Leo!"}, "no, not Bo")
    done = looked_at(client, job)
    error = {"line": 2, "message": "no, not Bo"}
    assert done["result"] == [{"result": "Hello, Leo!"}, {"error": error}]
    assert (done["errors"], done["state"]) == ([error], "succeeded")


def upload(data: bytes, name: str, type_: str = "application/octet-stream") -> dict[str, Any]:
    return {"data": {"instances": [(data, name, type_)]}}


@pytest.mark.parametrize(
    ("request_", "data"),
    [
        pytest.param({"data": LINES, **JSON_LINES}, LINES, id="lines"),
        pytest.param({"data": b"name\nLeo\nBo\n", "content_type": "text/csv"}, None, id="csv"),
        pytest.param(upload(LINES, "all.JSONL"), LINES, id="form"),
        pytest.param(upload(b"name\nLeo\nBo\n", "x", "text/csv"), None, id="form-by-type"),
    ],
)
def test_file_is_cut_into_chunks_as_it_is(
    client: FlaskClient, record: Record, request_: Any, data: bytes | None
) -> None:
    job = accepted(client, **request_)
    assert job["progress"]["total"] == 2
    claim = claimed(record, job)
    assert (claim.first_line, claim.count) == ((1, 2) if data else (2, 2))
    assert claim.input == (data or b"name\nLeo\nBo\n")


def test_files_in_a_form_and_in_a_list_are_bytes_by_then(
    client: FlaskClient, record: Record
) -> None:
    resource = client.get("/v1/DigitsModel").get_json()
    picture = resource["examples"][0]["request"]["picture"]
    listed = accepted(client, "/v1/DigitsModel/jobs", json={"instances": [{"picture": picture}]})
    (one,) = msgspec.msgpack.decode(claimed(record, listed).input)
    form = {"picture": [(one["picture"], "seven.png")]}
    sent = accepted(client, "/v1/DigitsModel/jobs", data=form)
    assert one["picture"].startswith(b"\x89PNG")
    assert msgspec.msgpack.decode(claimed(record, sent).input) == [one]


BAD = [
    pytest.param(URL, {"json": {"name": 5}}, "5 is not of type 'string'", id="body"),
    pytest.param(URL, {"json": {"instances": 5}}, "'instances' is no list", id="no-list"),
    pytest.param(URL, {"json": {"instances": []}}, "no instances", id="empty-list"),
    pytest.param(URL, {"json": {"instances": [LEO, {}]}}, "'name' is a required", id="in-list"),
    pytest.param(URL, {"json": [LEO]}, "is not of type 'object'", id="bare-list"),
    pytest.param(URL, {"data": b"{", "content_type": "application/json"}, "JSON", id="no-json"),
    pytest.param(URL, {"data": b"x", "content_type": "text/plain"}, "No JSON object", id="type"),
    pytest.param(URL, {}, "No JSON object", id="nothing"),
    pytest.param(URL, {"data": b"", **JSON_LINES}, "holds no instances", id="empty-file"),
    pytest.param(URL, {"data": b"\n\xff\n", **JSON_LINES}, "Line 2 is not UTF-8", id="no-text"),
    pytest.param(URL, {"data": b"nme\nx\n", "content_type": "text/csv"}, "'nme'", id="column"),
    pytest.param(URL, upload(LINES, "all.xlsx"), ".jsonl, .ndjson, or with", id="other-file"),
    pytest.param(
        URL,
        {"data": {"instances": [(LINES, f"{n}.csv") for n in (1, 2)]}},
        "more than once",
        id="two-files",
    ),
    pytest.param(
        URL, {"data": upload(LINES, "a.csv")["data"] | {"name": "Leo"}}, "'name' cannot", id="both"
    ),
    pytest.param(f"{URL}?priority=urgent", {"json": LEO}, "low, high", id="priority"),
    pytest.param(f"{URL}?prio=high", {"json": LEO}, "known are priority", id="parameter"),
    pytest.param(f"{URL}?callback_url=http://a.b", {"json": LEO}, "callback_secret", id="callback"),
    *(
        pytest.param(URL, {"json": LEO, "headers": {"Idempotency-Key": key}}, "visible", id=name)
        for name, key in (("nul", "a\0"), ("long", "a" * 256), ("empty", ""), ("latin", "é"))
    ),
]


@pytest.mark.parametrize(("url", "request_", "message"), BAD)
def test_bad_job_is_refused(
    client: FlaskClient, record: Record, url: str, request_: Any, message: str
) -> None:
    answer = posted(client, url, **request_)
    assert (answer.status_code, message in answer.get_json()["message"]) == (400, True), answer.text
    assert record.page().jobs == []


@pytest.mark.parametrize(
    ("url", "status", "message"),
    [
        ("/v1/jobs/nope", 404, "There is no job"),
        ("/v1/jobs/" + "0" * 32, 404, "There is no job"),
        ("/v1/jobs/%00/result", 404, "There is no job"),
        ("/v1/NoModel/jobs", 404, "GET /v1 lists the models"),
        ("/v1/jobs?model=NoModel", 400, "XXXModel"),
        ("/v1/jobs?stat=queued", 400, "known are model"),
        ("/v1/jobs?state=done", 400, "queued, running"),
        ("/v1/jobs?cursor=x%00", 400, "'cursor'"),
        *((f"/v1/jobs?limit={n}", 400, "1 to 500") for n in NO_LIMITS),
    ],
)
@pytest.mark.usefixtures("record")
def test_wrong_question_is_told_what_is_wrong(
    client: FlaskClient, url: str, status: int, message: str
) -> None:
    answer = client.get(url)
    assert (answer.status_code, message in answer.get_json()["message"]) == (status, True)


def test_same_key_is_the_same_job_and_no_other_request(client: FlaskClient, record: Record) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = accepted(client, json=LEO, headers=headers)
    assert accepted(client, json=LEO, headers=headers)["id"] == first["id"]
    others = [
        client.post(URL, json={"name": "Bo"}, headers=headers),
        client.post(URL, json={"instances": [LEO]}, headers=headers),
        client.post(f"{URL}?priority=high", json=LEO, headers=headers),
        client.post("/v1/POSModel/jobs", json={"text": "Hello."}, headers=headers),
        client.post(URL, data=b'{"name": "Leo"}\n', headers=headers, **JSON_LINES),
    ]
    assert [answer.status_code for answer in others] == [422] * len(others)
    assert len(record.page().jobs) == 1


def test_cancelled_job_stays_so(client: FlaskClient, record: Record) -> None:
    job = accepted(client)
    claim = claimed(record, job)
    answers = [client.delete(job["links"]["self"]) for _ in range(2)]
    assert [answer.get_json()["state"] for answer in answers] == ["cancelled"] * 2
    assert not record.claims.heartbeat(claim)
    assert client.delete("/v1/jobs/nope").status_code == 404


def test_jobs_are_listed_a_page_at_a_time(client: FlaskClient, record: Record) -> None:
    ids = [accepted(client)["id"] for _ in range(3)]
    accepted(client, "/v1/POSModel/jobs", json={"text": "Hello."})
    record.cancel(accepted(client)["id"])
    url, found = "/v1/jobs?model=XXXModel&state=queued&limit=2", []
    while url:
        page = client.get(url).get_json()
        found.append([job["id"] for job in page["jobs"]])
        url = page["next"]
    assert [len(page) for page in found] == [2, 1]
    assert {id_ for page in found for id_ in page} == set(ids)


def test_result_is_json_lines_or_a_table(client: FlaskClient, record: Record) -> None:
    job = accepted(client, data=LINES, **JSON_LINES)
    work_off(record, job, {"result": 'say "hi"'}, "no")
    url = job["links"]["result"]
    lines, table = client.get(url), client.get(url, headers={"Accept": "text/csv"})
    assert lines.data.splitlines()[0] == b'{"result":"say \\"hi\\""}'
    assert (lines.mimetype, int(lines.headers["Content-Length"])) == (
        "application/x-ndjson",
        len(lines.data),
    )
    rows = table.data.decode().splitlines()
    assert rows[:2] == ["result,error", '"say ""hi""",']
    assert client.get(f"{url}?format=csv").data == table.data
    assert client.get(f"{url}?format=xml").status_code == 400


def test_only_a_small_result_and_few_errors_are_in_the_job(
    client: FlaskClient, record: Record
) -> None:
    job = accepted(client, data=b'{"name": "Leo"}\n' * 120, **JSON_LINES)
    work_off(record, job, *(["x" * 700] * 120))
    done = looked_at(client, job)
    assert "result" not in done
    assert (len(done["errors"]), done["progress"]["failed"]) == (100, 120)


@pytest.mark.parametrize(
    ("headers", "wants"),
    [
        (["respond-async"], True),
        (["Respond-Async; x=1, wait=10"], True),
        (["return=minimal", "wait=5, RESPOND-ASYNC"], True),
        (['respond-async=""'], True),
        (["respond-async=no"], False),
        (['x="a, respond-async"'], False),
        (["respond-asynchronously"], False),
        ([], False),
    ],
)
def test_preference_is_read_as_the_rfc_has_it(headers: list[str], wants: bool) -> None:
    assert wants_job(headers) is wants


def test_caller_of_a_model_may_prefer_a_job(client: FlaskClient, record: Record) -> None:
    headers = {"Prefer": "respond-async, wait=10"}
    answer = client.post("/v1/XXXModel?priority=high", json=LEO, headers=headers)
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    (job,) = record.page().jobs
    assert (answer.headers["Location"], job.priority) == (f"/v1/jobs/{job.id}", 1)
    assert client.post("/v1/XXXModel", json={}, headers=headers).status_code == 400
    assert client.post("/v1/XXXModel", json=LEO, headers={"Prefer": "wait=1"}).status_code == 200


def test_too_many_jobs_are_refused_for_now(client: FlaskClient, tmp_path: Path) -> None:
    with desk_in(tmp_path, client, max_jobs=1):
        accepted(client)
        answer = client.post(URL, json=LEO)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")


def test_file_that_is_too_large_is_refused(make_client: MakeClient, tmp_path: Path) -> None:
    client = make_client(XXXModelResource, max_content_length=2_000_000)
    with desk_in(tmp_path, client) as record:
        line = b'{"name": "Leo"}\n'
        accepted(client, data=line * 100_000, **JSON_LINES)  # It has been on the disk.
        answer = client.post(URL, data=line * 130_000, **JSON_LINES)
        assert (answer.status_code, record.page().jobs[0].total) == (413, 100_000)


def test_service_that_nobody_works_for_accepts_nothing(make_client: MakeClient) -> None:
    client = make_client(XXXModelResource)
    answer = client.post(URL, json=LEO)
    assert (answer.status_code, "bin/start.sh" in answer.get_json()["message"]) == (503, True)
    preferring = client.post("/v1/XXXModel", json=LEO, headers={"Prefer": "respond-async"})
    assert preferring.status_code == 200
