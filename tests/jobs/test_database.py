"""Databases that cannot be used, and processes that are killed."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from model_serving.errors import ConfigError, RecordFailed, StorageFull
from model_serving.jobs.database import Database, create_engine
from model_serving.jobs.migration import migrate
from model_serving.jobs.record import Record, open_record
from model_serving.place import ROOT
from tests.jobs.work import (
    accepted,
    claimed,
    die_after_accepting,
    die_while_accepting,
    found,
    new_database,
)
from tests.services.postgres import Postgres, needs_postgres, postgres_server

SMALL_DISK = 'mount -t tmpfs -o size=2m none "$0" && exec "$@"'
FILL = """
import sys
from model_serving.errors import StorageFull
from model_serving.jobs.chunk import Chunk
from model_serving.jobs.job import NewJob
from model_serving.jobs.record import open_record
record = open_record(f"sqlite:///{sys.argv[1]}/jobs.db")
job = record.accept(NewJob("XXXModel", ""), [Chunk(1, 1, b"small")]).job
for size in [2**22, *[2**16] * 64]:
    try:
        record.accept(NewJob("XXXModel", ""), [Chunk(1, 1, bytes(size))])
    except StorageFull as error:
        print(error.status)
print(record.find(job.id) == job)
"""
OPEN_WHERE_FULL = """
import sys
from contextlib import suppress
from pathlib import Path
from model_serving.errors import StorageFull
from model_serving.jobs.record import open_record
with suppress(OSError), Path(sys.argv[1], "all of it").open("wb", buffering=0) as file:
    while file.write(bytes(4096)):
        pass
try:
    open_record(f"sqlite:///{sys.argv[1]}/jobs.db").check()
except StorageFull as error:
    print(error.status)
"""
may_mount = pytest.mark.skipif(
    os.environ.get("CI") != "true"
    and subprocess.run(["unshare", "--mount", "--map-root-user", "true"]).returncode != 0,
    reason="this user may not mount",
)


def on_small_disk(folder: Path, program: str) -> list[str]:
    """Run a program on a folder that has 2 MB; return the words that it printed."""
    disk = ["unshare", "--mount", "--map-root-user", "bash", "-c", SMALL_DISK, str(folder)]
    run = [*disk, sys.executable, "-c", program, str(folder)]
    return subprocess.run(
        run, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.split()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("jobs.db", "it is no URL; allowed are sqlite:///"),
        ("sqlite://", "sqlite cannot be used"),
        ("sqlite:///:memory:", ".* cannot be used"),
        ("postgresql://me:sec@ret@host/db", "@ in a password is written as %40"),
        ("mysql://me:secret@host/db", "mysql cannot be used"),
        ("postgresql://host:port/db", "it is no URL"),
    ],
    ids=["path", "no file", "memory", "at", "mysql", "port"],
)
def test_wrong_url_is_refused_with_what_is_allowed(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"database_url: {message}"):
        open_record(url)


def test_urls_count_from_the_project_and_may_be_those_of_heroku() -> None:
    assert create_engine("sqlite:///data/jobs.db").url.database == str(ROOT / "data/jobs.db")
    engine = create_engine("postgres://me@host/db")
    assert engine.url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    ("die", "kept"), [(die_after_accepting, 1), (die_while_accepting, 0)], ids=["after", "within"]
)
def test_killed_process_leaves_a_whole_job_or_none(
    url: str, record: Record, die: Callable[[str, str], None], kept: int
) -> None:
    process = multiprocessing.get_context("spawn").Process(target=die, args=(url, "key"))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    jobs = record.page().jobs
    assert len(jobs) == kept
    assert all(record.claims.complete(claimed(record, job.id), b"{}\n{}\n") for job in jobs)


@pytest.fixture(scope="module")
def fragile() -> Iterator[Postgres]:
    """Return a server of PostgreSQL that may be stopped."""
    with postgres_server() as server:
        yield server


@needs_postgres
def test_database_that_goes_away_is_used_again_when_it_is_back(fragile: Postgres) -> None:
    with closing(open_record(new_database(fragile))) as record:
        claim = claimed(record, accepted(record).id)
        fragile.kill()
        with pytest.raises(RecordFailed) as failed:
            record.claims.complete(claim, b"{}\n{}\n")
        assert (failed.value.status, failed.value.message) == (
            503,
            "The job database is not available",
        )
        with pytest.raises(RecordFailed):
            record.check()
        fragile.start()
        record.check()
        assert record.claims.complete(claim, b"{}\n{}\n")


@needs_postgres
def test_service_starts_without_its_database_and_makes_its_tables_later(
    fragile: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    url = new_database(fragile)
    fragile.kill()
    with caplog.at_level(logging.ERROR, "service"), closing(open_record(url)) as record:
        assert "not available" in caplog.text
        with pytest.raises(RecordFailed):
            accepted(record)
        fragile.start()
        job = accepted(record)
        assert found(record, job.id) == job


@may_mount
def test_full_disk_is_no_room_and_keeps_what_there_is(tmp_path: Path) -> None:
    *refused, is_kept = on_small_disk(tmp_path, FILL)
    assert (set(refused), is_kept) == ({"507"}, "True")
    assert len(refused) > 1


@may_mount
def test_disk_that_was_full_before_is_no_room(tmp_path: Path) -> None:
    assert on_small_disk(tmp_path, OPEN_WHERE_FULL) == ["507"]


@needs_postgres
def test_full_disk_of_postgresql_is_no_room(postgres: Postgres) -> None:
    database = Database(create_engine(new_database(postgres)), migrate)
    full = sa.text("DO $$ BEGIN RAISE 'no space left on device' USING ERRCODE = '53100'; END $$")
    with pytest.raises(StorageFull), database.writing() as connection:
        connection.execute(full)
    database.engine.dispose()


def test_file_that_is_no_database_is_not_available(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.write_bytes(b"something else " * 1000)
    with closing(open_record(f"sqlite:///{path}")) as record, pytest.raises(RecordFailed):
        record.check()
