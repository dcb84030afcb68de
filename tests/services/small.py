"""A copy of the project that serves XXXModel alone, so that it starts at once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.services.project import Project, copy_project

MODEL = "model_serving/models/xxx_model.py"
ANSWER = 'return [f"{self.greeting}, {name}!" for name in instances]'


@contextmanager
def small_project(folder: Path) -> Iterator[Project]:
    """Return the copy, in which nothing runs at the end."""
    project = copy_project(folder)
    project.lend_environment(".venv", "requirements.txt")
    with project.serving("XXXModel"):
        try:
            yield project
        finally:
            project.end()


def instances_done(database: Path) -> int:
    """Return how many instances of chunks are done, by a record that may not be there yet."""
    return _one(database, "SELECT sum(count) FROM chunks WHERE state = 'done'")


def jobs_kept(database: Path) -> int:
    """Return how many jobs there are."""
    return _one(database, "SELECT count(*) FROM jobs")


def _one(database: Path, question: str) -> int:
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute(question).fetchone()[0] or 0)
    except sqlite3.OperationalError:
        return 0
