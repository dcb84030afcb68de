"""The README's five steps to a model of one's own work as they stand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx

from tests.services.processes import PATIENCE_S, clean_environment, free_port
from tests.services.project import ROOT, Project

FILE = re.compile(r"In\s+`([^`]+)`:\n\n```(?:python|ini)\n(.*?)```", re.DOTALL)
DIFF = re.compile(r"```diff\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"```sh\n(.*?)```", re.DOTALL)
# What bin/test.sh runs, but for the tests with servers.
CHECKS = f"""
export PATH="{Path(sys.executable).parent}:$PATH"
ruff check . && ruff format --check . && mypy
pytest -v tests/models tests/resources tests/test_*s.py tests/web/test_openapi.py
"""
LIST = "model_serving/resources/__init__.py"


def applied(diff: str, text: str) -> str:
    """Return the text with each added line of the diff below the line that it follows there."""
    before = ""
    for line in diff.splitlines():
        if line.startswith("+"):
            assert before in text
            text = text.replace(before, f"{before}{line[1:]}\n", 1)
        else:
            before = f"{line[1:]}\n"
    return text


def test_five_steps_of_the_readme_add_a_model(fresh_project: Project) -> None:
    steps = (ROOT / "README.md").read_text().partition("## Add your own model")[2]
    train, call = COMMANDS.findall(steps.partition("\n## ")[0])
    copy = Project(fresh_project.folder.parent / "readme")
    shutil.copytree(
        fresh_project.folder, copy.folder, ignore=shutil.ignore_patterns(".venv", "tmp")
    )
    if (ROOT / ".mypy_cache").exists():  # It would take minutes to make another one.
        shutil.copytree(ROOT / ".mypy_cache", copy.folder / ".mypy_cache")
    port = str(free_port())
    environment = clean_environment(PORT=port)
    try:
        run("bin/start.sh; bin/stop.sh", copy.folder, environment)
        run(train, copy.folder, environment)
        for name, content in FILE.findall(steps):
            (copy.folder / name).write_text(content)
        listed = copy.folder / LIST
        for diff in DIFF.findall(steps):
            listed.write_text(applied(diff, listed.read_text()))
        answer = run(call.replace("9999", port), copy.folder, environment)
        assert answer.rstrip().endswith('{"result":"virginica"}')
        url = f"http://127.0.0.1:{port}/v1/IrisModel"
        wrong = httpx.post(url, json={}, timeout=PATIENCE_S, trust_env=False)
        assert wrong.json() == {"message": "'sizes' is a required property"}
        assert "IrisModel" in run(CHECKS, copy.folder, environment)
    finally:
        copy.end()


def run(commands: str, folder: Path, environment: dict[str, str]) -> str:
    """Run commands as somebody would who types them into a shell in the project's folder."""
    shell = subprocess.run(
        ["bash", "-e"],
        input=commands,
        cwd=folder,
        env=environment | {"HOME": os.environ.get("HOME", "/tmp")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.returncode == 0, shell.stdout + shell.stderr
    return shell.stdout
