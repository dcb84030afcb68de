"""Fixtures: folders with short paths, as sockets need them, and starters of replicas in them."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_serving.serving.run_dir import GenerationDir
from tests.serving.replicas import Gate, Replicas, RunningReplica, running_replicas


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
def sockets(folder: Path) -> Path:
    """Return the folder where a client looks for replicas."""
    return GenerationDir(folder).sockets("ObedientModel")


@pytest.fixture
def serve(replicas: Replicas, sockets: Path) -> Callable[[int], RunningReplica]:
    """Return a function that starts a replica in a place."""

    def start(index: int) -> RunningReplica:
        replica = replicas.start(sockets / f".{index}")
        replica.path = replica.path.rename(sockets / f"{index}.{replica.process.pid}")
        return replica

    return start
