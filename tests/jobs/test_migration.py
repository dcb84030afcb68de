"""The database is brought up to date, by whoever comes first."""

import multiprocessing
from collections.abc import Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from model_serving.errors import ConfigError
from model_serving.jobs.database import create_engine
from model_serving.jobs.migration import NEWEST
from model_serving.jobs.record import Record, open_record
from model_serving.jobs.tables import jobs, metadata
from model_serving.place import ROOT
from tests.jobs.work import accept_one, accepted, found

MIGRATIONS = ROOT / "model_serving/jobs/migrations"


@pytest.fixture
def connection(url: str) -> Iterator[sa.Connection]:
    """Return a connection to a database that a record has been opened in."""
    open_record(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_versions_make_the_tables_that_the_code_has(connection: sa.Connection) -> None:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    assert compare_metadata(context, metadata) == []
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == NEWEST


def test_several_processes_may_start_at_once(url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        job_ids = pool.map(accept_one, [url] * 8, chunksize=1)
    with closing(open_record(url)) as record:
        assert {job.id for job in record.page().jobs} == set(job_ids)


def test_who_opens_does_not_wait_for_those_that_write(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_record(url).close()
    engine = create_engine(url)
    with engine.execution_options(is_writing=True).begin() as connection:
        connection.execute(jobs.update().values(model="other"))
        open_record(url).close()
    engine.dispose()
    assert not caplog.records  # It would tell that the database is not available.


def test_database_of_a_newer_version_is_refused(url: str, connection: sa.Connection) -> None:
    connection.execute(sa.text("UPDATE alembic_version SET version_num = 'newer'"))
    connection.commit()
    with pytest.raises(ConfigError, match=r"made by a newer version .* update the service"):
        open_record(url)


def test_database_is_opened_again_with_its_jobs(url: str, record: Record) -> None:
    job = accepted(record)
    record.close()
    with closing(open_record(url)) as again:
        assert found(again, job.id) == job
