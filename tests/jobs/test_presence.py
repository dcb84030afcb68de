"""A worker is present until its process ends, however it ends."""

import subprocess
import sys
from pathlib import Path

from model_serving.jobs.presence import Presence

WORKER = """
import pathlib, sys
from model_serving.jobs.presence import Presence
print(Presence(pathlib.Path(sys.argv[1])).name, flush=True)
sys.stdin.read()
"""


def test_killed_worker_is_dead_until_it_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "not made yet"
    command = [sys.executable, "-c", WORKER, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as worker:  # type: ignore[call-overload]
        name = worker.stdout.readline().rstrip("\n")
        successor = Presence(folder)
        assert successor.dead() == []
        worker.kill()
    assert successor.dead() == [name]
    (folder / f"elsewhere {name}").touch()
    successor.forget(name)
    assert successor.dead() == []
