"""The units of conf/systemd are what systemd understands."""

import getpass
import os
import subprocess
from pathlib import Path

import pytest

from tests.services.needs import needs

ROOT = Path(__file__).resolve().parent.parent
UNITS = sorted(ROOT.glob("conf/systemd/*.service"))
HOME = "/srv/model-serving"  # where the units look for the project

pytestmark = needs("systemd-analyze", "systemd")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A folder with the units, for a project that is there and a user who exists."""
    project = tmp_path / "project"
    for name in (".venv/bin/gunicorn", ".venv/bin/python", "bin/nginx.sh"):
        program = project / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        assert HOME in text
        text = text.replace(HOME, str(project)).replace("www-data", getpass.getuser())
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return tmp_path


def test_there_is_a_unit_for_the_service_for_nginx_and_for_a_worker() -> None:
    names = ["model-serving-nginx.service", "model-serving-worker.service", "model-serving.service"]
    assert [unit.name for unit in UNITS] == names


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_is_right(units: Path, unit: Path) -> None:
    checked = verify(units / unit.name)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_wrong_unit_is_found(units: Path) -> None:
    """Without this the test above would show nothing."""
    wrong = units / UNITS[0].name
    wrong.write_text(wrong.read_text().replace("KillMode=mixed", "KillMode=mild"))
    assert "kill mode" in verify(wrong).stderr


def verify(unit: Path) -> subprocess.CompletedProcess[str]:
    """Have systemd read a unit, and those that it asks for from beside it."""
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{unit.parent}:", "SYSTEMD_LOG_LEVEL": "info"}
    return subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        env=environment,
        capture_output=True,
        text=True,
    )
