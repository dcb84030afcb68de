"""Fixtures: folders with short paths, as sockets need them, and starters of replicas in them."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_serving.serving.process_runtime import ProcessRuntime
from model_serving.serving.run_dir import RunDir
from tests.serving.replicas import Gate, Replicas, RunningReplica, running_replicas
from tests.serving.runtimes import in_background


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder of the test's own."""
    with tempfile.TemporaryDirectory(prefix="ms-") as path:
        yield Path(path)


@pytest.fixture
def replicas(folder: Path) -> Iterator[Replicas]:
    """Return a starter of replicas, which end with the test."""
    yield from running_replicas(folder)


@pytest.fixture
def gate(folder: Path) -> Gate:
    """Return a gate that a model can be sent to."""
    return Gate(folder / "gate")


@pytest.fixture
def run_dir(folder: Path) -> RunDir:
    """Return the folder of a service that has its first generation."""
    run_dir = RunDir(folder)
    run_dir.make_current(run_dir.make_generation(1))
    return run_dir


@pytest.fixture
def sockets(run_dir: RunDir) -> Path:
    """Return the folder where a client looks for replicas."""
    return run_dir.generation(1).sockets("ObedientModel")


@pytest.fixture
def serve(replicas: Replicas, sockets: Path) -> Callable[[int], RunningReplica]:
    """Return a function that starts a replica in a place."""

    def start(index: int) -> RunningReplica:
        replica = replicas.start(sockets / f".{index}")
        replica.path = replica.path.rename(sockets / f"{index}.{replica.process.pid}")
        return replica

    return start


@pytest.fixture
def runtime(run_dir: RunDir) -> Iterator[ProcessRuntime]:
    """Return a runtime with a loop in the background."""
    with in_background(run_dir) as runtime:
        yield runtime
