"""The documentation page in a real browser, against a real gunicorn."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.services.conftest import SCREENSHOTS

PREDICT = "#operations-{0}-{0}_post"


def open_greeting(page: Page, url: str) -> Locator:
    """Open the documentation at `POST /v1/XXXModel`, ready to be tried."""
    page.goto(f"{url}/docs/")
    operation = page.locator(PREDICT.format("XXXModel"))
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
    for name in ("XXXModel", "EchoModel", "POSModel", "NERModel"):
        expect(page.locator(PREDICT.format(name))).to_be_visible()
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
