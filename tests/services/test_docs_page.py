"""The documentation page in a real browser, against a real gunicorn."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from tests.services.processes import PATIENCE_S, clean_environment, free_port, running
from tests.services.project import ROOT, Project

SCREENSHOTS = ROOT / "tmp/screenshots"
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="module")
def url(fresh_project: Project) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "conf/gunicorn.conf.py"]
    environment = clean_environment(PORT=str(port))
    with running(command, port, fresh_project.folder, environment) as server:
        yield server.url


@pytest.fixture(scope="module")
def browser(url: str) -> Iterator[Browser]:  # noqa: ARG001
    """A browser, which ends before the service, as that would wait for its connections."""
    chromium = shutil.which("chromium")
    if chromium is None and not os.environ.get("CI"):
        pytest.skip("chromium is missing")
    assert chromium, "chromium is missing, and CI must not skip this"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET.split())
        yield browser
        browser.close()


@pytest.fixture
def elsewhere() -> list[str]:
    """The requests of the page that went to other machines."""
    return []


@pytest.fixture
def page(browser: Browser, elsewhere: list[str]) -> Iterator[Page]:
    """A page that reaches this machine alone."""

    def guard(route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in {"http", "https"} and address.hostname != "127.0.0.1":
            elsewhere.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.set_default_timeout(PATIENCE_S * 1000)
    expect.set_options(timeout=PATIENCE_S * 1000)
    page.route("**/*", guard)
    yield page
    page.close()


def open_greeting(page: Page, url: str) -> Locator:
    """Open the documentation at `POST /v1/XXXModel`, ready to be tried."""
    page.goto(f"{url}/docs/")
    operation = page.locator(".opblock-post").filter(has_text="/v1/XXXModel")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    return operation


def execute(operation: Locator, body: str) -> Locator:
    """Send a body, and return the answer that the page shows."""
    operation.locator("textarea").fill(body)
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table .response")


def test_root_leads_a_browser_to_the_documentation(page: Page, url: str) -> None:
    page.goto(url)
    expect(page).to_have_url(f"{url}/docs/")
    expect(page).to_have_title(re.compile("Model serving"))


def test_docs_list_all_operations(page: Page, url: str, elsewhere: list[str]) -> None:
    page.goto(f"{url}/docs/")
    for path in ("/v1/XXXModel", "/v1/EchoModel", "/v1/POSModel", "/v1/NERModel"):
        expect(page.locator(".opblock-post").filter(has_text=path)).to_be_visible()
    page.screenshot(path=SCREENSHOTS / "docs.png", full_page=True)
    assert elsewhere == []


def test_docs_try_it_out_greets(page: Page, url: str, elsewhere: list[str]) -> None:
    answer = execute(open_greeting(page, url), '{"name": "Leo"}')
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer).to_contain_text("Hello, Leo!")
    page.screenshot(path=SCREENSHOTS / "docs-200.png", full_page=True)
    assert elsewhere == []


def test_docs_try_it_out_shows_what_is_wrong_with_a_body(page: Page, url: str) -> None:
    answer = execute(open_greeting(page, url), "{}")
    expect(answer.locator(".response-col_status")).to_contain_text("400")
    expect(answer).to_contain_text("'name' is a required property")
    page.screenshot(path=SCREENSHOTS / "docs-400.png", full_page=True)


def test_docs_offer_the_example_as_the_body(page: Page, url: str) -> None:
    operation = open_greeting(page, url)
    expect(operation.locator("textarea")).to_have_value(re.compile(r'"name":\s*"Leo"'))
