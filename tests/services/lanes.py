"""The service on each of its lanes, which answer the same."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.faulty.service import FAST, FaultyService, faulty_copy
from tests.services.processes import clean_environment, free_port, running

LANES = ("asgi", "gthread")
LIMIT_BYTES = 1_000_000
MODELS = (*FAST, "POSModel", "NERModel", "DigitsModel", "FaultyModel")


@contextmanager
def lane_service(folder: Path, lane: str, **settings: str) -> Iterator[FaultyService]:
    """Run a copy of the project on one lane, until the end of the block."""
    project, port = faulty_copy(folder, MODELS), free_port()
    environment = clean_environment(HTTP_WORKER=lane, PORT=str(port), **settings)
    command = [sys.executable, "-m", "gunicorn", "--config", "conf/gunicorn.conf.py"]
    try:
        with running(command, port, folder, environment) as server:
            yield FaultyService(project, server.url, server.process.pid, server.printed)
    finally:
        project.end()
