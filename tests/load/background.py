"""The jobs that a service does beside its calls."""

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import psutil

from tests.load.bodies import Unusable
from tests.load.client import Target
from tests.services.processes import job_workers, wait_until

JOB_BYTES, INSTANCES = 1_000_000, 1000  # of a job, at least
JOBS = 8  # More than are done in a short phase.
SETTLE_S = 0.2
TIMEOUT_S = 30.0


class Background:
    """Jobs of a model, of which there are always some; they rest unless they are wanted."""

    def __init__(self, target: Target, master: int) -> None:
        """Make jobs of what is asked of a model; ``master`` is the service's first process.

        Raises:
            AssertionError: there is no job worker.
        """
        url, _, self.model = target.url.rpartition("/v1/")
        lines = b"".join(body + b"\n" for body in target.bodies)
        self._data = lines * max(JOB_BYTES // len(lines), INSTANCES // len(target.bodies))
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        self._worker = _worker(master)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Have jobs done while the block lasts.

        Raises:
            Unusable: they ended before it did.
        """
        before = self.predicted()
        self._worker.resume()  # First: it may hold the lock of the database.
        try:
            for _ in range(len(self._open()), JOBS):
                headers = {"Content-Type": "application/x-ndjson"}
                url = f"/v1/{self.model}/jobs"
                self._client.post(url, content=self._data, headers=headers).raise_for_status()
            wait_until(lambda: self.predicted() > before, "a job is done")
            yield
        finally:
            self._worker.suspend()
            self._settle()
        if not self._open():
            raise Unusable("the jobs ended within a phase: try a shorter one")

    def predicted(self) -> float:
        """Return how many instances of the model have been predicted, whoever asked."""
        text = self._client.get("/metrics").text
        sums = rf'^model_batch_size_sum{{model="{self.model}".*}} (\S+)$'
        return sum(map(float, re.findall(sums, text, re.MULTILINE)))

    def rate(self, duration_s: float) -> float:
        """Return how many instances per second are done where nobody calls."""
        with self.working():
            before, began_s = self.predicted(), time.monotonic()
            time.sleep(duration_s)
            return (self.predicted() - before) / (time.monotonic() - began_s)

    def _settle(self) -> None:
        """Wait until what the worker has asked is predicted."""
        known = -1.0
        while known != (known := self.predicted()):
            time.sleep(SETTLE_S)

    def _open(self) -> list[str]:
        listed = (
            self._client.get("/v1/jobs", params={"state": state}).raise_for_status().json()
            for state in ("queued", "running")
        )
        return [job["id"] for page in listed for job in page["jobs"]]

    def _end(self) -> None:
        self._worker.resume()
        for job in self._open():
            self._client.delete(f"/v1/jobs/{job}").raise_for_status()


@contextmanager
def resting(target: Target, master: int) -> Iterator[Background]:
    """Have jobs that rest, and cancel what is left of them at the end of the block.

    Raises:
        Unusable: as ``Background`` does.
    """
    background = Background(target, master)
    with closing(background._client):
        background._worker.suspend()
        try:
            background._settle()
            yield background
        finally:
            background._end()


def _worker(master: int) -> psutil.Process:
    """Wait for the worker of jobs, which begins once the models are loaded."""
    found: list[psutil.Process] = []

    def is_found() -> bool:
        found[:] = job_workers(master)
        return bool(found)

    wait_until(is_found, "the service has a job worker")
    return found[0]
