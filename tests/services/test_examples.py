"""The examples of docs/examples, as their reader opens and runs them."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urljoin

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.services.calls import client
from tests.services.conftest import SCREENSHOTS
from tests.services.processes import clean_environment, free_port, started, wait_until
from tests.services.project import ROOT

EXAMPLES = ROOT / "docs/examples"
PICTURES = [EXAMPLES / "hills.jpg", EXAMPLES / "seven.png"]
CALLS = re.compile(r"^(docs/\S+|python3 docs\S+)(.*)$", re.MULTILINE)
COMMANDS = CALLS.findall((EXAMPLES / "README.md").read_text())
PRINTED = {
    "docs/examples/calls.sh": [
        r'\{"result":"Hello, Leo!"\}',
        r'\{"label":7,"probabilities":\[.*\]\}',
        r'\{"result":\[\{"file":"(/assets/\w+\.jpg)",.*\{"file":"(/assets/\w+\.png)",.*\]\}',
    ],
    "python3 docs/examples/calls.py": [
        r"Hello, Leo!",
        r"7",
        r"52258 -> \d+ (http://127.0.0.1:\d+/assets/\w+\.jpg)",
        r"151 -> \d+ (http://127.0.0.1:\d+/assets/\w+\.png)",
    ],
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server of nothing but files has the pages, another origin than the service's."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    printed = tmp_path_factory.mktemp("pages") / "printed"
    with started(command, EXAMPLES, clean_environment(), printed):
        wait_until(lambda: is_open(port), "the pages are served")
        yield f"http://127.0.0.1:{port}"


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(autouse=True)
def small_window(page: Page) -> None:
    page.set_viewport_size({"width": 800, "height": 600})


def greet(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Greet").click()


def compress(page: Page, *pictures: Path, width: str = "") -> None:
    page.get_by_label("Pictures").set_input_files(pictures)
    page.get_by_label("Width at most").fill(width)
    page.get_by_role("button", name="Make smaller").click()


def ask(page: Page, example: str) -> None:
    """Ask what the service answers."""
    if example == "greet":
        greet(page, "Leo")
    else:
        compress(page, *PICTURES)


def keep(page: Page, name: str) -> None:
    page.screenshot(path=SCREENSHOTS / f"examples-{name}.png", full_page=True)


def dimensions(link: Locator) -> str:
    """Open a link to a picture, and return its size as the browser sees it."""
    with link.page.expect_popup() as popup:
        link.click()
    picture = popup.value.locator("img")
    shown = picture.evaluate(
        "async (one) => (await one.decode(), [one.naturalWidth, one.naturalHeight])"
    )
    popup.value.close()
    return " × ".join(map(str, shown))


def test_list_of_examples_leads_to_them_and_hands_on_the_service(
    page: Page, pages: str, url: str
) -> None:
    page.goto(f"{pages}/?service={url}")
    keep(page, "list")
    page.get_by_role("link", name="A greeting").click()
    expect(page.locator("code")).to_have_text(f"{url}/v1/XXXModel")


@pytest.mark.parametrize("opened", ["from a server", "from a folder"])
def test_greeting_is_shown(
    page: Page, pages: str, url: str, opened: str, elsewhere: list[str]
) -> None:
    start = pages if opened == "from a server" else EXAMPLES.as_uri()
    page.goto(f"{start}/greet.html?service={url}")
    greet(page, "Leo")
    expect(page.get_by_role("status")).to_have_text("Hello, Leo!")
    keep(page, "greeting")
    greet(page, "")
    expect(page.get_by_role("alert")).to_have_text("'name' is a required property")
    expect(page.get_by_role("status")).to_be_empty()
    keep(page, "greeting-400")
    assert elsewhere == []


def test_several_pictures_get_links_that_open(
    page: Page, pages: str, url: str, elsewhere: list[str]
) -> None:
    page.goto(f"{pages}/compress.html?service={url}")
    compress(page, *PICTURES, width="360")
    links = page.locator("tbody").get_by_role("link")
    expect(links).to_have_text([path.name for path in PICTURES])
    rows = page.locator("tbody tr")
    assert [dimensions(link) for link in links.all()] == ["360 × 240", "32 × 40"]
    expect(rows.nth(0)).to_contain_text("360 × 240")
    expect(rows.nth(1)).to_contain_text("32 × 40")
    keep(page, "pictures")
    assert elsewhere == []


def test_text_as_a_picture_gets_the_words_of_the_service(page: Page, pages: str, url: str) -> None:
    page.goto(f"{pages}/compress.html?service={url}")
    compress(page, *PICTURES, EXAMPLES / "README.md")
    wrong = "README.md: 'the_file' is not a file of the type image/*"
    expect(page.get_by_role("alert")).to_have_text(wrong)
    expect(page.get_by_role("table")).to_be_hidden()
    keep(page, "pictures-400")


@pytest.mark.parametrize("example", ["greet", "compress"])
def test_button_waits_for_the_answer(page: Page, pages: str, url: str, example: str) -> None:
    held: list[Route] = []
    page.goto(f"{pages}/{example}.html?service={url}")
    page.route("**/v1/*", lambda route: held.append(route))
    with page.expect_request("**/v1/*"):
        ask(page, example)
    button = page.locator("button")
    expect(button).to_be_disabled()
    held[0].continue_()
    expect(button).to_be_enabled()
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.parametrize("example", ["greet", "compress"])
def test_service_that_is_away_is_named(page: Page, pages: str, example: str) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    page.goto(f"{pages}/{example}.html?service={away}")
    ask(page, example)
    expect(page.get_by_role("alert")).to_contain_text(f"{away}/v1/")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(page.locator("button")).to_be_enabled()
    keep(page, f"{example}-away")


@pytest.mark.parametrize("example", ["greet", "compress"])
def test_answer_of_another_server_is_no_answer(page: Page, pages: str, example: str) -> None:
    page.goto(f"{pages}/{example}.html?service=/api")
    ask(page, example)
    expect(page.get_by_role("alert")).to_contain_text("answers 501 Unsupported method")


@pytest.mark.parametrize(("command", "arguments"), COMMANDS)
def test_command_prints_the_answers(url: str, command: str, arguments: str) -> None:
    run = subprocess.run(
        f"{command}{arguments.replace('http://127.0.0.1:9999', url)}",
        shell=True,
        cwd=ROOT,
        env=clean_environment(NO_PROXY="*", PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    lines = run.stdout.splitlines()
    found = [re.fullmatch(*both) for both in zip(PRINTED[command], lines, strict=True)]
    assert all(found), run.stdout
    files = [file for match in found if match for file in match.groups()]
    sizes = []
    with client(url) as caller:
        for file in files:
            with Image.open(BytesIO(caller.get(urljoin(url, file)).content)) as picture:
                sizes.append(picture.size)
    assert sizes == [(360, 240), (32, 40)]
