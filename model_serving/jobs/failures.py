"""What fails in a database, in the words of the service."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from model_serving.errors import RecordFailed, StorageFull

# The second is for the index of SQLite's log, which is a file too.
_SQLITE_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_POSTGRESQL_FULL = "53100"
# These are defects of ours, not troubles of the database.
_DEFECTS = (exc.IntegrityError, exc.DataError, exc.ProgrammingError, exc.NotSupportedError)


@contextmanager
def failing() -> Iterator[None]:
    """Say of what fails whether there was no room.

    Raises:
        StorageFull, RecordFailed: the block met a database that cannot be used.
    """
    try:
        yield
    except exc.TimeoutError as error:  # Each connection of the pool is in use.
        raise RecordFailed from error
    except exc.DBAPIError as error:
        if isinstance(error, _DEFECTS) and not error.connection_invalidated:
            raise
        raise (StorageFull if _is_full(error.orig) else RecordFailed) from error
    except sqlite3.Error as error:  # of a statement that may stand in no transaction
        raise (StorageFull if _is_full(error) else RecordFailed) from error


def _is_full(error: BaseException | None) -> bool:
    return (
        getattr(error, "sqlite_errorcode", None) in _SQLITE_FULL
        or getattr(error, "sqlstate", None) == _POSTGRESQL_FULL
    )
