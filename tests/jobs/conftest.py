"""Fixtures: an empty record in each kind of database."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from model_serving.jobs.limits import Limits
from model_serving.jobs.record import Record, open_record
from tests.jobs.work import new_database
from tests.services.postgres import Postgres, needs_postgres, postgres_server

OpenRecord = Callable[..., Record]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a running server."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database that is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/not made yet/100%.db"
    server: Postgres = request.getfixturevalue("postgres")
    return new_database(server)


@pytest.fixture
def open_(url: str) -> Iterator[OpenRecord]:
    """Return a function that opens the database as one more process would."""
    with ExitStack() as stack:

        def open_one(**limits: float) -> Record:
            return stack.enter_context(closing(open_record(url, Limits(**limits))))  # type: ignore[arg-type]

        yield open_one


@pytest.fixture
def record(open_: OpenRecord) -> Record:
    """Return a record without jobs."""
    return open_()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Return a loop that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
