"""Bringing a database up to date, by one process at a time."""

import fcntl
import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from model_serving.errors import ConfigError, RecordFailed
from model_serving.jobs.database import sqlite_path

NEWEST = "0001"  # The version that the code is made for.

_FOLDER = Path(__file__).resolve().parent / "migrations"
_LOCK = 0x6D6F6465_6C730001  # Of this service, among all that use the same database.
_PATIENCE = "120s"


def migrate(engine: sa.Engine) -> None:
    """Apply the versions that a database lacks; whoever else does so at the same time waits.

    Raises:
        ConfigError: it is not a database of this version; the message says what to do.
        RecordFailed: the file of SQLite cannot be made.
    """
    with _locked_file(engine):
        with engine.begin() as connection:
            if _version(connection) == NEWEST:
                return  # Who only looks need not wait for those that write.
        with engine.execution_options(is_writing=True).begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            if _version(connection) != NEWEST:
                _upgrade(connection)


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def _upgrade(connection: sa.Connection) -> None:
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)  # It tells of each.
    # It takes 11 MB, so that only those load it who have something to do.
    command = importlib.import_module("alembic.command")
    settings = importlib.import_module("alembic.config").Config()
    settings.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    settings.attributes["connection"] = connection
    try:
        command.upgrade(settings, NEWEST)
    except importlib.import_module("alembic.util").CommandError as error:
        raise ConfigError(
            f"database_url: {connection.engine.url.database} was made by a newer version "
            f"of the service ({error}); update the service, or name another database"
        ) from error


@contextmanager
def _locked_file(engine: sa.Engine) -> Iterator[None]:
    """Let one process at a time set up a file of SQLite."""
    if engine.dialect.name != "sqlite":
        yield
        return
    path = sqlite_path(engine)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock").open("w")
    except OSError as error:
        raise RecordFailed from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            # Once: both are kept in the file, and would have to wait for those that write.
            if driver.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                # Of use before there is a table alone: what is removed can be given back.
                driver.execute("PRAGMA auto_vacuum = INCREMENTAL")
                driver.execute("PRAGMA journal_mode = WAL")
        yield
