"""A real supervisor of the shipped models; the test stands for gunicorn's master."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from model_serving.place import METRICS_VARIABLE, ROOT, RUN_DIR_VARIABLE
from model_serving.serving.run_dir import RunDir
from model_serving.serving.status import GenerationStatus, ReplicaStatus, Status, read_status
from model_serving.serving.supervision import SINGLE_THREADED
from tests.services.processes import PATIENCE_S, clean_environment, living, signal_all, wait_until

PR_SET_CHILD_SUBREAPER = 36
MODELS = {"XXXModel", "EchoModel", "DigitsModel", "POSModel", "NERModel", "CompressModel"}


class Master:
    """What gunicorn's master holds of a supervisor."""

    def __init__(self, folder: Path) -> None:
        self.run_dir = RunDir(folder / "run")
        self.run_dir.path.mkdir()
        self.run_dir.metrics.mkdir()
        self.run_dir.make_current(self.run_dir.make_generation(1))
        self.reader, self.writer = os.pipe()
        self._environment = clean_environment(
            LOG_DIR=str(folder), LOG_CONSOLE="false", ASSETS_DIR=str(folder / "assets")
        )
        self._environment |= SINGLE_THREADED
        self._environment[RUN_DIR_VARIABLE] = str(self.run_dir.path)
        self._environment[METRICS_VARIABLE] = str(self.run_dir.metrics)
        self.log = folder / "service.log"
        self.seen: set[psutil.Process] = set()
        self.start()

    def start(self) -> None:
        """Start a supervisor, as at first or after one that was killed."""
        module = "model_serving.serving.supervisor"
        arguments = [str(self.run_dir.path), "model_serving.catalogue", str(self.reader)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[self.reader],
        )

    def kill(self) -> None:
        """Kill the supervisor alone."""
        self.note()
        self.process.kill()
        self.process.wait()

    def note(self) -> None:
        """Note the processes below the supervisor, to know later whether they are gone."""
        self.seen.update(psutil.Process(self.process.pid).children(recursive=True))

    def end(self) -> None:
        """Close the lifeline, and kill what is left in spite of that."""
        if self.process.poll() is None:
            self.note()
        for descriptor in (self.reader, self.writer):
            os.close(descriptor)
        self.process.wait(60)
        signal_all(list(self.seen), signal.SIGKILL)

    @property
    def status(self) -> Status:
        """What the supervisor wrote last."""
        return read_status(self.run_dir.status) or Status(0)

    def replicas(self, number: int) -> dict[str, ReplicaStatus]:
        """Return the one replica of each model of a generation."""
        models = self.status.generation(number).models
        return {name: replicas[0] for name, replicas in models.items()}

    def pids(self, number: int) -> dict[str, int]:
        """Return the process of each model's replica."""
        return {name: replica.pid for name, replica in self.replicas(number).items()}

    def sockets(self, number: int) -> set[str]:
        """Return what the folder of a generation shows to serve."""
        path = self.run_dir.generation(number).path
        return {f"{one.parent.name}/{one.name}" for one in path.glob("*/[0-9]*.[0-9]*")}

    def is_ready(self, number: int) -> bool:
        """Say whether all models of a generation serve."""
        states = {name: replica.state for name, replica in self.replicas(number).items()}
        return states.keys() == MODELS and set(states.values()) == {"ready"}

    def wait_for_reload(self, number: int) -> str | None:
        """Return why a reload was refused, once it has ended."""
        wait_until(
            lambda: self.status.reload.number >= number and not self.status.reload.is_running,
            f"reload {number} has ended",
        )
        return self.status.reload.error


@pytest.fixture
def master(folder: Path) -> Iterator[Master]:
    master = Master(folder)
    try:
        wait_until(lambda: master.is_ready(1), "all models serve")
        yield master
    finally:
        if master.run_dir.path.exists():
            master.end()


@contextmanager
def orphans_adopted() -> Iterator[None]:
    """Be the parent of processes whose own one ends in the block; see prctl(2)."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1) == 0
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


@pytest.fixture
def hangups() -> Iterator[threading.Semaphore]:
    """Count the SIGHUPs that come to this process."""
    come = threading.Semaphore(0)
    before = signal.signal(signal.SIGHUP, lambda *_: come.release())
    yield come
    signal.signal(signal.SIGHUP, before)


def test_supervisor_shows_what_serves_and_leaves_nothing(master: Master) -> None:
    pids = master.pids(1)
    assert master.sockets(1) == {f"{name}/0.{pid}" for name, pid in pids.items()}
    assert master.status.current == 1
    master.note()
    master.end()
    wait_until(lambda: living(list(master.seen)) == [], "no process is left")
    assert (master.process.returncode, master.run_dir.path.exists()) == (0, False)


def test_supervisor_replaces_a_killed_replica(master: Master) -> None:
    before = master.pids(1)
    for number in (signal.SIGTERM, signal.SIGINT):  # Terminals and platforms send it these.
        master.process.send_signal(number)
    os.kill(before["XXXModel"], signal.SIGKILL)
    wait_until(
        lambda: master.pids(1)["XXXModel"] != before["XXXModel"] and master.is_ready(1),
        "another replica serves",
    )
    replica = master.replicas(1)["XXXModel"]
    assert (replica.restarts, replica.last_error) == (1, "was killed by SIGKILL")
    others = {name: pid for name, pid in before.items() if name != "XXXModel"}
    assert others.items() < master.pids(1).items()
    assert f"XXXModel/0.{before['XXXModel']}" not in master.sockets(1)


def test_supervisor_takes_over_the_replicas_of_one_that_was_killed(master: Master) -> None:
    before = master.pids(1)
    with orphans_adopted():
        master.kill()
    os.kill(before["EchoModel"], signal.SIGKILL)
    os.waitpid(before["EchoModel"], 0)  # As init does; not even a zombie is left.
    assert len(master.sockets(1)) == len(MODELS)
    master.start()
    wait_until(
        lambda: master.pids(1)["EchoModel"] != before["EchoModel"] and master.is_ready(1),
        "the one that died meanwhile is replaced",
    )
    others = {name: pid for name, pid in before.items() if name != "EchoModel"}
    assert others.items() < master.pids(1).items()
    assert len(master.sockets(1)) == len(MODELS)
    os.kill(before["XXXModel"], signal.SIGKILL)
    wait_until(lambda: master.pids(1)["XXXModel"] != before["XXXModel"], "it watches them")


def test_reload_keeps_the_old_version_until_its_last_user_has_gone(
    master: Master, hangups: threading.Semaphore
) -> None:
    users = [master.run_dir.use_current() for _ in range(2)]
    old = [psutil.Process(pid) for pid in master.pids(1).values()]
    master.process.send_signal(signal.SIGHUP)
    assert master.wait_for_reload(1) is None
    assert hangups.acquire(timeout=PATIENCE_S)
    assert (master.run_dir.current(), master.status.current) == (2, 2)
    assert master.is_ready(2)
    os.close(users[0][1])
    assert len(living(old)) == len(MODELS)
    assert len(master.sockets(1)) == len(MODELS)
    os.close(users[1][1])
    wait_until(lambda: not master.run_dir.generation(1).path.exists(), "the old one has left")
    assert living(old) == []
    wait_until(lambda: [one.number for one in master.status.generations] == [2], "it is told of")


def test_reload_goes_on_after_the_supervisor_was_killed_in_one(
    master: Master, hangups: threading.Semaphore
) -> None:
    before = master.pids(1)
    master.process.send_signal(signal.SIGHUP)
    wait_until(lambda: master.run_dir.generation(2).path.exists(), "the reload has begun")
    master.kill()
    master.start()
    assert master.wait_for_reload(1) == "the supervisor was killed meanwhile"
    assert master.pids(1) == before
    master.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: master.process.poll() is not None or master.status.current == 2,
        "the next reload has ended",
    )
    assert master.process.poll() is None, master.log.read_text()[-2000:]
    assert hangups.acquire(timeout=PATIENCE_S)
    assert master.is_ready(2)


@pytest.mark.usefixtures("hangups")
def test_supervisor_ends_in_the_middle_of_a_reload(master: Master) -> None:
    master.process.send_signal(signal.SIGHUP)
    wait_until(lambda: bool(master.pids(2)), "the new replicas start")
    master.note()
    master.end()
    wait_until(lambda: living(list(master.seen)) == [], "no process is left")
    assert not master.run_dir.path.exists()


def test_generation_that_was_retired_leaves_under_the_next_supervisor(
    master: Master, hangups: threading.Semaphore
) -> None:
    _, usage = master.run_dir.use_current()
    master.process.send_signal(signal.SIGHUP)
    assert master.wait_for_reload(1) is None
    assert hangups.acquire(timeout=PATIENCE_S)
    master.kill()
    master.start()
    assert master.run_dir.generation(1).path.exists()
    os.close(usage)
    wait_until(lambda: not master.run_dir.generation(1).path.exists(), "the old one has left")
    assert isinstance(master.status.generation(2), GenerationStatus)
    assert master.is_ready(2)
