"""Fixtures: folders with short paths, as sockets need them, and starters of replicas in them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.replicas import Replicas, running_replicas


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder of the test's own."""
    with tempfile.TemporaryDirectory(prefix="ms-") as path:
        yield Path(path)


@pytest.fixture
def replicas(folder: Path) -> Iterator[Replicas]:
    """Return a starter of replicas, which end with the test."""
    yield from running_replicas(folder)
