"""The file of the answers: written beside itself, and there only once it is whole."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from model_serving.jobs.answers import columns_of, table

STDOUT = "-"


class Unusable(Exception):
    """A file, or a model, that cannot be used; the message says which and why."""


@contextmanager
def written(path: str) -> Iterator[BinaryIO]:
    """Open what JSON Lines are written to; at the end of the block the file is whole.

    Raises:
        Unusable: it cannot be written, or somebody else writes it.
    """
    if path == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    partial = target.with_name(f"{target.name}.partial")
    with _locked(partial, target) as file:
        try:
            yield file
            _finish(file, partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)  # The record has what is done.
            raise


def _locked(partial: Path, target: Path) -> BinaryIO:
    """Open a file that nobody else writes."""
    try:
        file = partial.open("a+b")
    except OSError as error:
        raise Unusable(f"{partial}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(file.fileno()), partial.stat()):
            raise BlockingIOError  # It has just been finished.
    except (BlockingIOError, FileNotFoundError):
        file.close()
        raise Unusable(f"{target}: somebody else is writing it") from None
    file.truncate(0)  # By a run that was killed.
    return file


def _finish(file: BinaryIO, partial: Path, target: Path) -> None:
    if target.suffix.lower() == ".csv":
        made = target.with_name(f"{target.name}.partial-csv")
        with made.open("wb") as csv_file:
            file.seek(0)
            columns = columns_of(file)
            file.seek(0)
            csv_file.writelines(table(file, columns))
            _keep(csv_file)
        made.replace(target)
        partial.unlink()
    else:
        _keep(file)
        partial.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # A loss of power must not take what the record has no more.
    finally:
        os.close(folder)


def _keep(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
