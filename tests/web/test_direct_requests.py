"""Requests of every form: the front answers as the app behind it does."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lanes import BrokenOff, FrontLane, answer, both_answer, environ_of, is_passed_on
from tests.web.moody import asked, moody_lane

PATHS = ["/v1/MoodyModel", "/v1/EagerModel", "/v1/Plain"]
CHUNKED: dict[str, Any] = {
    "CONTENT_LENGTH": None,
    "HTTP_TRANSFER_ENCODING": "chunked",
    "wsgi.input_terminated": True,
}
CHANGES: list[dict[str, Any]] = [
    *(
        {"CONTENT_TYPE": kind}
        for kind in (None, "", "text/plain", "application/x+json", "application/JSON", "multipart/")
    ),
    *(
        {"CONTENT_TYPE": f"application/json;{charset}"}
        for charset in ("charset=utf-8", " charset=UTF-8", " charset=latin-1", "", " charset=x")
    ),
    *({"CONTENT_LENGTH": length} for length in (None, "", "0", "5", "12", "40", "999999")),
    *({"REQUEST_METHOD": method} for method in ("GET", "HEAD", "PUT", "OPTIONS", "post")),
    *({"HTTP_ACCEPT": kind} for kind in ("text/html", "application/xml;q=1, */*;q=0")),
    *({"HTTP_ORIGIN": origin} for origin in ("https://a.example", "null", "")),
    *({"PATH_INFO": path} for path in ("/v1/MoodyModel/", "/v1/moodymodel", "/v1/\xff", "/", "")),
    {"QUERY_STRING": "do=other"},
    {"HTTP_COOKIE": "a=b", "HTTP_AUTHORIZATION": "Basic eA=="},
    {"HTTP_X_HTTP_METHOD_OVERRIDE": "DELETE", "HTTP_EXPECT": "100-continue"},
    CHUNKED,
]


@pytest.fixture(scope="module", params=[65_536, 5], ids=["at once", "in parts"])
def lane(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FrontLane]:
    with closing(moody_lane(tmp_path_factory.mktemp("conf"))) as lane:
        lane.part_bytes = request.param
        yield lane


def changed(path: str, body: bytes, changes: dict[str, Any]) -> dict[str, Any]:
    """Return a request with changes, an empty text for what is taken away, as PEP 3333 allows."""
    blank = {key: "" if value is None else value for key, value in changes.items()}
    return environ_of(path, body) | blank


@pytest.mark.parametrize(
    "changes",
    CHANGES,
    ids=lambda changes: "-".join(f"{key}={str(value)[:28]}" for key, value in changes.items()),
)
@pytest.mark.parametrize("path", PATHS)
def test_front_answers_any_request_as_the_app_does(
    lane: FrontLane, path: str, changes: dict[str, Any]
) -> None:
    told = both_answer(lane, changed(path, b'{"do": "it"}', changes))
    assert told.headers["x-content-type-options"] == "nosniff"


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(PATHS),
    st.binary(max_size=1200) | st.sampled_from([b'{"do": "it"}', b'{"do": "flask"}', b"{}"]),
    st.lists(st.sampled_from(CHANGES), max_size=4),
)
def test_front_answers_any_mixture_as_the_app_does(
    lane: FrontLane, path: str, body: bytes, changes: list[dict[str, Any]]
) -> None:
    mixture = {key: value for change in changes for key, value in change.items()}
    if mixture.get("HTTP_TRANSFER_ENCODING"):
        mixture["CONTENT_LENGTH"] = None  # Servers refuse both.
    both_answer(lane, changed(path, body, mixture))


@pytest.mark.parametrize("key", ["CONTENT_TYPE", "CONTENT_LENGTH"])
def test_front_answers_without_a_key_as_the_app_does(lane: FrontLane, key: str) -> None:
    assert both_answer(lane, asked("it", **{key: None})).status == 400


@pytest.mark.parametrize(
    "charset", [";charset=utf-8", "; charset=utf-8", ";charset=UTF-8", "; charset=UTF-8", ""]
)
def test_front_answers_json_of_the_usual_charset(lane: FrontLane, charset: str) -> None:
    environ = asked("it", CONTENT_TYPE=f"application/json{charset}")
    assert both_answer(lane, environ).body == b'{"result":"it"}\n'
    assert not is_passed_on(lane, environ)


@pytest.mark.parametrize("body", [b"12", b'{"do": "it"}'], ids=["number", "object"])
def test_front_predicts_no_body_that_broke_off(lane: FrontLane, body: bytes) -> None:
    assert both_answer(lane, environ_of("/v1/MoodyModel", body, CONTENT_LENGTH="500")).status == 400
    chunked = environ_of("/v1/MoodyModel", **CHUNKED) | {"wsgi.input": BrokenOff(body)}
    assert both_answer(lane, chunked).status == 400


@pytest.mark.parametrize(("size", "status"), [(990, 200), (991, 200), (992, 413), (9000, 413)])
@pytest.mark.parametrize("changes", [{}, CHUNKED], ids=["length", "chunked"])
def test_front_answers_a_long_body_as_the_app_does(
    lane: FrontLane, size: int, status: int, changes: dict[str, Any]
) -> None:
    told = both_answer(lane, asked("x" * size, **changes))
    assert told.status == status


@pytest.mark.parametrize(
    "twice",
    [
        {"HTTP_X_REQUEST_ID": ["a", "b"]},
        {"HTTP_X_REQUEST_TIMEOUT_MS": ["1000", "2000"]},
        {"HTTP_ORIGIN": ["https://a.example", "https://b.example"]},
        {"HTTP_ACCEPT": ["text/html", "application/json"]},
        {"HTTP_X_OTHER": ["a", "a"]},
    ],
    ids=lambda twice: next(iter(twice)),
)
def test_front_answers_headers_sent_twice_as_the_app_does(
    lane: FrontLane, twice: dict[str, Any]
) -> None:
    environ = asked("it", **({"HTTP_X_REQUEST_ID": "abc"} | twice))
    direct = answer(lane, environ)
    behind = answer(
        lane.app, {k: ",".join(v) if isinstance(v, list) else v for k, v in environ.items()}
    )
    for told in (direct, behind):
        if "HTTP_X_REQUEST_ID" in twice:
            assert len(told.headers.pop("x-request-id")) == 32
    assert direct == behind
    assert is_passed_on(lane, environ)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("100000", 200),
        ("0", 400),
        ("-1", 400),
        ("1.5", 400),
        ("", 400),
        ("²", 400),
        ("9" * 300, 200),
        ("9" * 400, 200),
        ("9" * 5000, 200),
    ],
    ids=lambda value: str(value)[:5] + str(len(str(value))),
)
def test_front_reads_the_callers_time_as_the_app_does(
    lane: FrontLane, sent: str, status: int
) -> None:
    environ = asked("it", HTTP_X_REQUEST_TIMEOUT_MS=sent)
    assert both_answer(lane, environ).status == status
    assert not is_passed_on(lane, environ)


@pytest.mark.parametrize("sent", ["a b", "é", "x" * 129, "", None], ids=repr)
@pytest.mark.parametrize("what", ["it", "flask"])
def test_front_replaces_an_id_that_is_not_sane(
    lane: FrontLane, what: str, sent: str | None
) -> None:
    environ = asked(what, HTTP_X_REQUEST_ID=sent)
    ids = {answer(lane, environ).headers["x-request-id"] for _ in range(2)}
    assert [len(id_) for id_ in ids] == [32, 32]
    assert is_passed_on(lane, environ) == (what == "flask")
