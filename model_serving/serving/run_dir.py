"""The private folder by which the processes of one service find each other.

::

    /tmp/model-serving-x1y2z3/      mode 0700
        status.json                 what the supervisor knows
        jobs.json                   what the worker of jobs knows
        metrics/                    of all processes
        current -> 2                the generation that a new HTTP worker takes
        2/                          a generation: one version of the code, settings and weights
            plan                    what it serves
            users                   a FIFO that each of its HTTP workers holds open
            XXXModel/0.4711         the socket of a replica that serves: its index and process id

What ``ls`` shows is what serves. The path is short, as that of a Unix socket must be (108 bytes).
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_serving.place import RUN_DIR_VARIABLE

FAILURE_NAME = ".failed"  # A file in a model's folder: why its replicas could not be loaded.
_PREFIX = "model-serving-"
_LONGEST_PARENT = 32  # characters, so that 50 are left for the name of a model
_UNLOCKED_S = 60.0


@dataclass(frozen=True)
class GenerationDir:
    """The folder of one generation."""

    path: Path

    @property
    def plan(self) -> Path:
        """The file that says what the generation serves."""
        return self.path / "plan"

    @property
    def users(self) -> Path:
        """The FIFO that tells when the last HTTP worker of the generation has gone."""
        return self.path / "users"

    def sockets(self, model_name: str) -> Path:
        """Return the folder of a model's sockets, which is made where it is missing."""
        folder = self.path / model_name
        folder.mkdir(exist_ok=True)
        return folder


@dataclass(frozen=True)
class RunDir:
    """The folder of one service."""

    path: Path

    @classmethod
    def create(cls) -> "RunDir":
        """Make the folder, with its first generation, and remove what killed services have left."""
        parent = Path(tempfile.gettempdir())
        if len(str(parent)) > _LONGEST_PARENT:
            parent = Path("/tmp")  # noqa: S108
        for path in parent.glob(f"{_PREFIX}*"):
            _remove_if_dead(path)
        run_dir = cls(Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)))
        run_dir.metrics.mkdir()
        run_dir.make_current(run_dir.make_generation(1))
        return run_dir

    def lock(self) -> int:
        """Mark the folder as used while the descriptor is open; systemd-tmpfiles(8) asks, too."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "RunDir | None":
        """Return the folder of the service that this process belongs to, if there is one."""
        folder = environ.get(RUN_DIR_VARIABLE)
        return cls(Path(folder)) if folder else None

    @property
    def status(self) -> Path:
        """The file of what the supervisor knows."""
        return self.path / "status.json"

    @property
    def jobs(self) -> Path:
        """The file of what the worker of jobs knows."""
        return self.path / "jobs.json"

    @property
    def metrics(self) -> Path:
        """The folder of the metrics."""
        return self.path / "metrics"

    def generation(self, number: int) -> GenerationDir:
        """Return the folder of a generation."""
        return GenerationDir(self.path / str(number))

    def current(self) -> int:
        """Return the number of the generation that a new HTTP worker takes."""
        return int((self.path / "current").readlink().name)

    def make_generation(self, number: int) -> int:
        """Make the folder of a new generation."""
        folder = self.generation(number)
        self.remove_generation(number)  # Left by a supervisor that was killed.
        folder.path.mkdir()
        os.mkfifo(folder.users, mode=0o600)
        return number

    def make_current(self, number: int) -> None:
        """Let new HTTP workers take this generation."""
        new = self.path / "current.new"
        new.unlink(missing_ok=True)  # Left by a supervisor that was killed here.
        new.symlink_to(str(number))
        new.replace(self.path / "current")

    def use_current(self) -> tuple[int, int]:
        """Become a user of the current generation for as long as the descriptor is open.

        Returns:
            The generation's number, and the descriptor.
        """
        while True:
            number = self.current()
            # Opened for both ways, a FIFO waits for nobody (fifo(7)).
            try:
                descriptor = os.open(self.generation(number).users, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                if self.current() == number:
                    raise
                continue  # It has been given up and removed in between.
            if self.current() == number:  # It may have been given up in between.
                return number, descriptor
            os.close(descriptor)

    def remove_generation(self, number: int) -> None:
        """Remove the folder of a generation that is used no more."""
        shutil.rmtree(self.generation(number).path, ignore_errors=True)

    def remove(self) -> None:
        """Remove the whole folder."""
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_if_dead(path: Path) -> None:
    """Remove a run folder of this user that is locked by nobody."""
    try:
        state = path.stat()
        if state.st_uid != os.getuid() or time.time() - state.st_mtime < _UNLOCKED_S:
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)
    except OSError:
        return
