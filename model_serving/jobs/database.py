"""The database of the record: SQLite in a file, or PostgreSQL."""

import importlib.util
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from model_serving.errors import ConfigError, RecordFailed
from model_serving.jobs.failures import failing
from model_serving.place import ROOT

_ALLOWED = "allowed are sqlite:///path/to/file and postgresql://user@host/name"
_PATIENCE_S = 20  # For whoever writes: a large job takes a while to be accepted.
_CONNECT_S = 3  # A database that is away must not hold a request for long.
_LOG_BYTES = 64 * 1024**2
PAUSE_S = 0.02  # Who waits for SQLite's lock looks now and then, and must find it free.
_FREED_PAGES = 500  # at a time, as nobody else can write meanwhile
_POSTGRESQL: dict[str, Any] = {
    "connect_timeout": _CONNECT_S,
    "tcp_user_timeout": 10_000,
}


class Database:
    """Short transactions in a database that is brought up to date before the first of them."""

    def __init__(self, engine: sa.Engine, prepare: Callable[[sa.Engine], None]) -> None:
        """Use ``engine``, once ``prepare`` has done its work without raising."""
        self.engine = engine
        self._writing = engine.execution_options(is_writing=True)
        self._prepare = prepare
        self._preparing = threading.Lock()
        self._is_prepared = False

    @property
    def now_s(self) -> sa.ColumnElement[float]:
        """The time: PostgreSQL's own, as the clocks of several machines differ."""
        if self.engine.dialect.name == "sqlite":
            return sa.literal(time.time(), sa.Double)
        return sa.cast(sa.extract("epoch", sa.func.statement_timestamp()), sa.Double)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Begin a transaction that changes nothing.

        Raises:
            RecordFailed: the database is not available.
        """
        return self._transaction(self.engine)

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """Begin a transaction that is committed at the end of the block, unless that raises.

        Raises:
            RecordFailed, StorageFull: nothing was committed, or nobody can tell.
        """
        return self._transaction(self._writing)

    def prepare(self) -> None:
        """Bring the database up to date, once.

        Raises:
            RecordFailed, StorageFull: it cannot be done now; the next transaction tries again.
            ConfigError: it cannot be done.
        """
        if self._is_prepared:
            return
        # Threads that all wait for a database that is away must not queue up.
        if not self._preparing.acquire(timeout=_CONNECT_S):
            raise RecordFailed
        try:
            if not self._is_prepared:
                with failing():
                    self._prepare(self.engine)
                self._is_prepared = True
        finally:
            self._preparing.release()

    def give_back(self) -> None:
        """Let a file of SQLite become as small as what is in it; PostgreSQL sees to that itself.

        Raises:
            RecordFailed, StorageFull: it cannot be done now.
        """
        if self.engine.dialect.name != "sqlite":
            return
        before = math.inf
        while 0 < (free := self._give_back_some()) < before:
            before = free
            time.sleep(PAUSE_S)

    def _give_back_some(self) -> int:
        """Shorten the file a little; return how many pages are still free."""
        with self.writing() as connection:
            for _ in range(_FREED_PAGES):  # sqlite3 gives back one, however many it is asked for.
                connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
            return int(connection.exec_driver_sql("PRAGMA freelist_count").scalar_one())

    @contextmanager
    def _transaction(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        self.prepare()
        with failing(), engine.begin() as connection:
            yield connection


def create_engine(url: str) -> sa.Engine:
    """Return the engine for a URL, which connects to nothing yet.

    It must not live through a fork. A path in it counts from the project's folder.

    Raises:
        ConfigError: the URL is wrong, or the library for it is not there.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(f"database_url: it is no URL; {_ALLOWED}") from None
    if "@" in (parsed.host or ""):  # It would be shown as the host's.
        raise ConfigError("database_url: @ in a password is written as %40")
    name = parsed.get_backend_name()
    if name == "sqlite" and parsed.database and parsed.database != ":memory:":
        return _sqlite(parsed.set(database=str(ROOT / parsed.database)))
    if name in ("postgresql", "postgres"):  # Heroku says the latter.
        if importlib.util.find_spec("psycopg") is None:
            raise ConfigError(
                "database_url: PostgreSQL needs psycopg, which requirements.txt names"
            )
        return _postgresql(parsed)
    # The rest of it may hold a password.
    raise ConfigError(f"database_url: {name} cannot be used; {_ALLOWED}")


def sqlite_path(engine: sa.Engine) -> Path:
    """Return the file of a database in SQLite."""
    return Path(str(engine.url.database))


def _postgresql(url: sa.URL) -> sa.Engine:
    arguments = {key: value for key, value in _POSTGRESQL.items() if key not in url.query}
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=arguments,
        pool_pre_ping=True,  # A connection of the time before a restart is not used.
        pool_size=4,
        max_overflow=4,
        pool_timeout=_PATIENCE_S,
    )
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername="sqlite"),
        connect_args={"timeout": _PATIENCE_S, "isolation_level": None},
        pool_size=4,
        max_overflow=4,
        pool_timeout=_PATIENCE_S,
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_in_sqlite)
    return engine


def _set_up_postgresql(connection: Any, _: object) -> None:
    connection.execute(f"SET lock_timeout = '{_PATIENCE_S}s'")
    # A machine that vanished in the middle of a transaction must not keep its locks.
    connection.execute("SET idle_in_transaction_session_timeout = '60s'")
    connection.commit()


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    # Each commit is on the disk, so that it outlives a loss of power, not only a killed process.
    connection.execute("PRAGMA synchronous = FULL")
    # What a large job has made of the log is given back.
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")


def _begin_in_sqlite(connection: sa.Connection) -> None:
    # Who writes waits for others at the begin; later, SQLite would refuse rather than wait.
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")
