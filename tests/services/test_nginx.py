"""The site: nginx before two instances of the service, which share their result files."""

import hashlib
import io
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import httpx
import psutil
import pytest
from PIL import Image

from tests.services.calls import ANSWERS, client, three_calls
from tests.services.conftest import Installation
from tests.services.nginx import needs_nginx
from tests.services.processes import (
    living,
    tree,
    wait_until,
)
from tests.services.site import LEO, Site, load, running_site
from tests.services.traffic import ask

pytestmark = needs_nginx
# These differ: nginx makes its ETag of time and size, and lets pages of all origins read.
OWN_HEADERS = {
    *("date", "server", "connection", "etag", "x-request-id", "access-control-allow-origin")
}


@pytest.fixture(scope="module")
def site(installation: Installation) -> Iterator[Site]:
    installation.project.end()
    with running_site(installation.project) as site:
        yield site


@pytest.fixture
def browser(site: Site) -> Iterator[httpx.Client]:
    """A client of nginx."""
    with client(site.front.url) as caller:
        yield caller


def test_documentation_finds_its_parts_below_api(browser: httpx.Client) -> None:
    page = browser.get("/api/docs/")
    linked = re.findall(r'(?:href|src|"url")(?:=|: )"([^"]+)"', page.text)
    parts = [browser.get(page.url.join(link)) for link in linked]
    assert len(parts) > 3
    assert {part.status_code for part in parts} == {200}
    (document,) = [part for part in parts if "json" in part.headers["content-type"]]
    server = document.url.join(document.json()["servers"][0]["url"])
    assert browser.get(server.join("v1/XXXModel")).status_code == 200


def test_caller_cannot_spoil_its_request_by_claims(browser: httpx.Client) -> None:
    claims = {"X-Forwarded-SSL": "on", "X-Forwarded-Protocol": "ssl", "Forwarded": "proto=https"}
    assert browser.get("/api/healthz", headers=claims).status_code == 200


def picture(colour: str) -> bytes:
    """Return a PNG."""
    file = io.BytesIO()
    Image.new("RGB", (400, 300), colour).save(file, "PNG", compress_level=0)
    return file.getvalue()


def test_pages_are_at_the_top(browser: httpx.Client) -> None:
    assert "<h1>Examples</h1>" in browser.get("/").text
    assert browser.get("/compress.html").headers["content-type"] == "text/html; charset=utf-8"


def test_service_is_below_api(site: Site, browser: httpx.Client) -> None:
    assert three_calls(f"{site.front.url}/api") == ANSWERS
    assert browser.get("/v1/XXXModel").status_code == 404
    assert browser.get("/api/docs").headers["location"] == f"{site.front.url}/api/docs/"


def test_uploaded_pictures_come_back_by_their_urls(site: Site, browser: httpx.Client) -> None:
    sent = [("the_file", (f"{name}.png", picture(name))) for name in ("red", "blue")]
    answer = browser.post("/api/v1/CompressModel", files=sent)
    assert answer.status_code == 200, answer.text
    for result in answer.json()["result"]:
        fetched = browser.get(result["file"])
        assert Image.open(io.BytesIO(fetched.content)).size == (400, 300)
        assert len(fetched.content) == result["size_after"] < result["size_before"]
        for instance in site.instances.values():
            with client(instance.url) as caller:
                assert caller.get(result["file"]).content == fetched.content
    assert list((site.project.folder / "tmp/nginx/body").iterdir()) == []


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif", "txt", "html", "svg", "bin"])
def test_result_file_has_the_headers_that_the_service_gives(
    site: Site, browser: httpx.Client, ending: str
) -> None:
    content = f"<script>alert('{ending}')</script>".encode()
    name = f"{hashlib.sha256(content).hexdigest()}.{ending}"
    folder = site.project.folder / "data/assets"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    path = f"/assets/{name}"
    with client(site.instances["a"].url) as caller:
        assert headers(browser.get(path)) == headers(caller.get(path))
    part = browser.get(path, headers={"Range": "bytes=1-6"})
    assert (part.status_code, part.content) == (206, b"script")
    tag = {"If-None-Match": part.headers["etag"]}
    assert browser.get(path, headers=tag).status_code == 304
    assert browser.head(path).headers["content-length"] == str(len(content))


def headers(answer: httpx.Response) -> dict[str, str]:
    """Return those that matter."""
    assert answer.status_code == 200
    return {name: value for name, value in answer.headers.items() if name not in OWN_HEADERS}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/assets/", 404),
        ("GET", f"/assets/{'0' * 64}.png", 404),
        ("GET", f"/assets/{'0' * 64}.png/../../../conf/serving.conf", 404),
        ("GET", "/assets/..%2f..%2fconf%2fserving.conf", 400),
        ("GET", "/assets/%00", 400),
        ("GET", "/assets/.part-abc", 404),
        ("GET", f"/assets/{'A' * 64}.png", 404),
        ("GET", "/../conf/serving.conf", 404),
        ("GET", "/error", 404),
        ("POST", "/", 405),
        ("GET", "/api/nothing", 404),
        ("DELETE", "/api/v1/XXXModel", 405),
    ],
)
def test_error_is_json(browser: httpx.Client, method: str, path: str, status: int) -> None:
    answer = browser.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"message"}
    assert len(answer.headers.get_list("x-request-id")) == 1


def test_too_much_is_refused_in_the_words_of_the_service(site: Site, browser: httpx.Client) -> None:
    body, kind = b" " * (32 * 1024 * 1024 + 1), {"Content-Type": "application/json"}
    refused = browser.post("/api/v1/XXXModel", content=body, headers=kind)
    with client(site.instances["a"].url) as caller:
        by_service = caller.post("/v1/XXXModel", content=body, headers=kind)
    assert refused.status_code == by_service.status_code == 413
    assert refused.json() == by_service.json()
    long = browser.get("/api/healthz", headers={"X-Long": "a" * 9000})
    assert (long.status_code, long.json()) == (431, {"message": "The headers are too large"})


def test_id_of_a_request_is_in_all_logs(site: Site, browser: httpx.Client) -> None:
    for sent in ("order-4711", "not sane"):
        claims = {"X-Request-ID": sent, "X-Forwarded-For": "6.6.6.6"}
        answer = browser.post("/api/v1/XXXModel", headers=claims, json=LEO.body)
        (given,) = answer.headers.get_list("x-request-id")
        assert (given == sent) == (sent == "order-4711")
        logged = f"(request {given})"
        # Here callers have nginx's own address; what they claim is not logged.
        wait_until(partial(is_in, site.log, f"for 127.0.0.1 {logged}"), "the service logs it")
        wait_until(partial(is_in, site.access_log, logged), "nginx logs it")


def is_in(log: Callable[[], str], text: str) -> bool:
    """Whether a log has come to hold a text."""
    return text in log()


def kill_instance(site: Site) -> None:
    """Kill all processes of an instance, and start it again."""
    killed = tree(site.instances["b"].process.pid)
    for process in killed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until(lambda: not living(killed), "the instance is gone")


def reload_instance(site: Site) -> None:
    """Have an instance replace its processes."""
    master = site.instances["a"].process
    old = tree(master.pid)[1:]
    master.send_signal(signal.SIGHUP)
    # But for the supervisor.
    wait_until(lambda: len(living(old)) == 1, "the old processes are gone")


def reload_nginx(site: Site) -> None:
    """Have nginx replace its processes, as `nginx -s reload` does."""
    old = tree(site.front.process.pid)[1:]
    number = int((site.project.folder / "tmp/nginx/pid").read_text())
    psutil.Process(number).send_signal(signal.SIGHUP)
    wait_until(lambda: not living(old), "the old processes are gone")


@pytest.mark.parametrize("event", [reload_nginx, reload_instance, kill_instance])
def test_no_request_is_lost(site: Site, event: Callable[[Site], None]) -> None:
    with load(site) as go_on:
        go_on()
        event(site)
        go_on()


def test_instance_that_is_back_is_asked_again(site: Site) -> None:
    if site.instances["b"].process.poll() is None:
        kill_instance(site)
    before = len(site.access_log())
    site.start("b")
    address = f'by "127.0.0.1:{site.ports["b"]}"'

    def is_asked() -> bool:
        ask(f"{site.front.url}/api", LEO)
        return address in site.access_log()[before:]

    wait_until(is_asked, "the instance is asked")
