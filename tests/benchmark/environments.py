"""A virtual environment for each peer, made once and used again while its requirements stay."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.benchmark.catalogue import HERE, Peer
from tests.services.project import ROOT

FOLDER = ROOT / ".venv-benchmark"
MODELS = HERE / "workloads" / "requirements.txt"


class NotInstalled(Exception):
    """The packages cannot be had here; the message says why."""


def programs_of(peer: Peer) -> Path:
    """Return the folder of the peer's programs; install them first where they are not yet.

    Raises:
        NotInstalled: that cannot be done.
    """
    if peer.requirements is None:
        return Path(sys.executable).parent
    venv = FOLDER / peer.folder
    wanted = f"{sys.version} {venv}".encode() + MODELS.read_bytes() + peer.requirements.read_bytes()
    digest = hashlib.sha256(wanted).hexdigest()
    mark = venv / "installed"
    if not mark.exists() or mark.read_text() != digest:
        shutil.rmtree(venv, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(venv))
        pip = (str(venv / "bin/python"), "-m", "pip", "install", "--quiet")
        _run(*pip, "--disable-pip-version-check", "-r", str(MODELS), "-r", str(peer.requirements))
        mark.write_text(digest)
    return venv / "bin"


def _run(*command: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, env=kept, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines() or ["it does not say why"]
        raise NotInstalled(told[-1].removeprefix("ERROR: "))


def versions_of(peer: Peer) -> list[str]:
    """Return the names and versions of the packages that the peer is made of."""
    source = peer.requirements or ROOT / "requirements.txt"
    pins = dict(line.split("==") for line in source.read_text().splitlines() if "==" in line)
    return [f"{name} {pins[name]}" for name in peer.packages]
