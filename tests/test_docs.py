"""The documentation says what is true."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from model_serving.config import Config, load_config
from model_serving.conversion import allowed_words
from model_serving.model_conf import ServingSettings
from model_serving.resources import RESOURCES
from tests.web.test_validation_agreement import FEATURES

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/**/*.md")]
RUN_TIME_LIMIT = 20


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def cells(page: str) -> list[list[str]]:
    """Return the rows of a page's tables."""
    lines = [line for line in read(page).splitlines() if line.startswith("|")]
    split = [re.split(r"(?<!\\)\|", line.strip("|")) for line in lines]
    return [[cell.strip().replace(r"\|", "|") for cell in row] for row in split]


def rows_of(table: type[msgspec.Struct]) -> list[list[str]]:
    """Return what the settings' page must say of a table: key, default, what is allowed, why."""
    rows = []
    for field in msgspec.structs.fields(table):
        default = "one for two cores"
        if field.default is not msgspec.NODEFAULT:
            value = "none" if field.default in (None, "") else field.default
            text = ",".join(value) if isinstance(value, tuple) else msgspec.to_builtins(value)
            default = f"`{text:g}`" if isinstance(text, float) else f"`{text!s}`"
            default = default.lower().replace("`none`", "none")
        schema = msgspec.json.schema(field.type)
        rows.append([f"`{field.name}`", default, allowed_words(schema), schema["description"]])
    return rows


def test_settings_page_lists_every_setting_of_the_service() -> None:
    listed = [row for row in cells("docs/settings.md") if len(row) == 5 and row[0].startswith("`")]
    assert [[row[0], *row[2:]] for row in listed] == rows_of(Config)
    assert all(row[1] == row[0].upper() for row in listed)


def test_settings_page_lists_every_setting_of_a_model() -> None:
    listed = [row for row in cells("docs/settings.md") if len(row) == 4 and row[0].startswith("`")]
    assert listed == rows_of(ServingSettings)


def test_shipped_settings_are_the_defaults() -> None:
    assert load_config(environ={}) == Config()


def pinned(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "-r"))]
    assert all(re.fullmatch(r"[A-Za-z0-9-]+(\[\w+\])?==[0-9][0-9a-z.]*", line) for line in lines)
    return [line.partition("==")[0] for line in lines]


def test_every_run_time_dependency_is_pinned_and_has_a_reason() -> None:
    ours, _, yours = read("requirements.txt").partition("# Yours: ")
    names, added = pinned(ours), pinned(f"# {yours}")
    listed = [row[0].strip("`") for row in cells("docs/dependencies.md") if row[0].startswith("`")]
    assert [name for name in listed if name not in added] == names
    assert len(names) <= RUN_TIME_LIMIT


def test_every_test_dependency_is_pinned() -> None:
    assert pinned(read("tests/requirements.txt"))


def test_optional_dependencies_are_tested_as_they_are_offered() -> None:
    optional = re.findall(r"^#(\S+==\S+)$", read("requirements.txt"), re.MULTILINE)
    assert optional
    assert set(optional) <= set(read("tests/requirements.txt").splitlines())
    assert all(f"`{line.partition('==')[0]}`" in read("docs/dependencies.md") for line in optional)


def test_schemas_page_lists_the_features_that_are_tested() -> None:
    page = read("docs/schemas.md")
    keywords = {word for name in FEATURES for word in name.split(", ") if word != "false"}
    assert {word for word in keywords if f"`{word}`" not in page} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_readme_names_models_that_are_served_and_every_page() -> None:
    served = {f"`{resource.__name__.removesuffix('Resource')}`" for resource in RESOURCES}
    named = {row[0] for row in cells("README.md") if re.fullmatch(r"`\w+Model`", row[0])}
    assert named
    assert named <= served
    assert all(f"docs/{page.name}" in read("README.md") for page in ROOT.glob("docs/*.md"))


def test_every_place_asks_for_the_same_python() -> None:
    wanted = tomllib.loads(read("pyproject.toml"))["project"]["requires-python"]
    asked = re.findall(r"Python (3\.\d+) or newer", read("README.md") + read("bin/environment.sh"))
    assert len(asked) > 1
    assert {f">={version}" for version in asked} == {wanted}
