"""A copy of the working tree to install, run, edit and break."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.services.processes import PATIENCE_S, clean_environment, signal_all, wait_until

ROOT = Path(__file__).resolve().parents[2]
RESOURCES = "model_serving/resources/__init__.py"


@dataclass(frozen=True)
class Project:
    """A project's folder, and its scripts as somebody calls them from elsewhere."""

    folder: Path

    @property
    def pid_file(self) -> Path:
        """The file that names the running service."""
        return self.folder / "tmp/gunicorn.pid"

    @property
    def python(self) -> str:
        """The interpreter of the environment that ``bin/start.sh`` made."""
        return str(self.folder / ".venv/bin/python")

    @property
    def master(self) -> psutil.Process:
        """The running service's first process."""
        return psutil.Process(int(self.pid_file.read_text()))

    def begin(self, script: str, environment: dict[str, str]) -> subprocess.Popen[str]:
        """Start a script of ``bin/`` from another folder."""
        return subprocess.Popen(
            [self.folder / "bin" / script],
            cwd="/",
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, script: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a script of ``bin/`` to its end."""
        return self.finish(self.begin(script, clean_environment(**settings)))

    @staticmethod
    def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        """Wait for a script, and return how it went."""
        with process:
            try:
                output, errors = process.communicate(timeout=5 * PATIENCE_S)
            finally:
                process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def processes(self) -> list[psutil.Process]:
        """Return what runs in the folder: the master, its workers, a script."""
        found = []
        for process in psutil.process_iter(["cwd"]):
            folder = Path(process.info["cwd"] or "/")
            if folder == self.folder or self.folder in folder.parents:
                found.append(process)
        return found

    def end(self) -> None:
        """Kill what is left, and forget it."""
        signal_all(self.processes(), signal.SIGKILL)
        wait_until(lambda: not self.processes(), "the killed processes are gone")
        for name in ("gunicorn.pid", "gunicorn.url"):
            (self.folder / "tmp" / name).unlink(missing_ok=True)

    def lend_environment(self, name: str, requirements: str) -> None:
        """Make an environment out of the one that runs this, so that nothing is installed."""
        venv, lent = self.folder / name, Path(sys.prefix)
        if venv.exists():
            return
        venv.mkdir()
        for part in ("bin", "lib"):
            (venv / part).symlink_to(lent / part)
        shutil.copy(lent / "pyvenv.cfg", venv)
        # What make_venv of bin/environment.sh asks for.
        marks = f"""
            echo "$(python3 --version) in $PWD" >{name}/base
            cat requirements.txt {requirements} | cksum >{name}/installed
        """
        subprocess.run(["bash", "-ec", marks], cwd=self.folder, check=True)

    def serve(self, *models: str) -> None:
        """List these models alone; others are not even imported."""
        path = self.folder / RESOURCES
        text = path.read_text(encoding="utf-8")
        kept = [
            line
            for line in text.splitlines(keepends=True)
            if "ModelResource" not in line or any(f"{model}Resource" in line for model in models)
        ]
        path.write_text("".join(kept), encoding="utf-8")

    @contextmanager
    def serving(self, *models: str) -> Iterator[None]:
        """List these models alone, until the end of the block."""
        path = self.folder / RESOURCES
        text = path.read_text(encoding="utf-8")
        self.serve(*models)
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")

    @contextmanager
    def edited(self, file: str, old: str, new: str) -> Iterator[None]:
        """Replace a text in a file, until the end of the block; an empty ``old`` is its end."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new) if old else text + new, encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(text, encoding="utf-8")


def copy_project(target: Path) -> Project:
    """Copy what git tracks or would track, so that work not yet committed is tested too."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return Project(target)
