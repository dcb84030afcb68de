"""A desk for jobs in a folder of a test, and somebody who does what is handed in there."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
from flask.testing import FlaskClient

from model_serving.jobs.claims import Claim
from model_serving.jobs.desk import Desk
from model_serving.jobs.engine import FOLDER, Engine
from model_serving.jobs.job import LineError
from model_serving.jobs.limits import Limits
from model_serving.jobs.record import Record, open_record


@contextmanager
def desk_in(folder: Path, *clients: FlaskClient, **limits: Any) -> Iterator[Record]:
    """Give clients' services a desk of their own, and yield its record."""
    with closing(open_record(f"sqlite:///{folder}/jobs.db", Limits(**limits))) as record:
        for client in clients:
            desk = Desk(record, Engine(FOLDER, folder / "broker"))
            client.application.extensions["jobs"].desk = desk
        yield record


def claimed(record: Record, job: Any) -> Claim:
    """Begin with a chunk of a job."""
    claim = record.claims.claim(job["id"], "test")
    assert claim is not None
    return claim


def work_off(record: Record, job: Any, *answers: Any) -> None:
    """Do a job of one chunk: each answer is a response, or the message of an error."""
    claim = claimed(record, job)
    lines, errors = [], []
    for line, answer in enumerate(answers, claim.first_line):
        if isinstance(answer, str):
            errors.append(LineError(line, answer))
            answer = {"error": {"line": line, "message": answer}}
        lines.append(orjson.dumps(answer) + b"\n")
    record.claims.complete(claim, b"".join(lines), len(errors), errors)
