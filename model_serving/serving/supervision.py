"""The supervisor as its parent sees it: started, kept alive, told to reload, ended."""

import logging
import os
import select
import signal
import subprocess
import sys
import time

from model_serving.place import METRICS_VARIABLE, ROOT, RUN_DIR_VARIABLE
from model_serving.serving.run_dir import RunDir

MIN_LIFE_S = 1.0
END_S = 15.0
# Each process computes by one thread, or they fight over the cores; who knows better sets these.
SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Supervision:
    """Keeps a supervisor running below this process, which is gunicorn's master.

    It ends with this process, whatever ends that: the supervisor holds one end of a pipe, and the
    other end closes with the process.
    """

    def __init__(self, catalogue: str, companion: str = "", output: int | None = None) -> None:
        """Make the run folder, announce it to the processes below, and start.

        ``output`` is a file for what they print; then they have no part in this one's terminal.
        """
        self._modules = catalogue, companion
        self._output = output
        self._run_dir = RunDir.create()
        self._lock = self._run_dir.lock()
        self._reader, self._writer = os.pipe()
        os.environ.update(SINGLE_THREADED | os.environ)
        os.environ[RUN_DIR_VARIABLE] = str(self._run_dir.path)
        os.environ[METRICS_VARIABLE] = str(self._run_dir.metrics)
        self._served = self._run_dir.current()
        self._start()

    def keep(self) -> None:
        """Start the supervisor again if it has died."""
        if _has_ended(self._pidfd) and time.monotonic() - self._started_s > MIN_LIFE_S:
            logging.getLogger("supervisor").error("the supervisor has died; starting it again")
            os.close(self._pidfd)
            self._start()

    def has_new_version(self) -> bool:
        """Whether the replicas are newer than what the HTTP workers use; asked once for each."""
        served, self._served = self._served, self._run_dir.current()
        return served != self._served

    def reload(self) -> None:
        """Let the supervisor load the version on the disk; it answers a good one with SIGHUP."""
        signal.pidfd_send_signal(self._pidfd, signal.SIGHUP)

    def forget(self) -> None:
        """In a fork of this process: leave the life of the supervisor to the parent alone."""
        os.close(self._writer)

    def end(self) -> None:
        """End the supervisor and all replicas."""
        os.close(self._writer)
        if not select.select([self._pidfd], [], [], END_S)[0]:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self._run_dir.remove()

    def _start(self) -> None:
        self._started_s = time.monotonic()
        module = "model_serving.serving.supervisor"
        catalogue, companion = self._modules
        arguments = [str(self._run_dir.path), catalogue, str(self._reader), companion]
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=self._output is not None,
            pass_fds=[self._reader],
        )
        self._pidfd = os.pidfd_open(process.pid)


def _has_ended(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], 0)[0])
