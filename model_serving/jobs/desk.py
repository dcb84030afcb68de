"""The desk: where callers hand in jobs, and ask for them."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from model_serving.config import Config
from model_serving.errors import EngineFailed
from model_serving.jobs.chunk import Chunk
from model_serving.jobs.engine import Engine
from model_serving.jobs.job import Accepted, NewJob
from model_serving.jobs.limits import read_limits
from model_serving.jobs.record import Record, open_record

_log = logging.getLogger("jobs")


class Desk:
    """Accepts jobs: in the record, and then told to the workers."""

    def __init__(self, record: Record, engine: Engine) -> None:
        self.record = record
        self._engine = engine

    def hand_in(self, chunks: Iterable[Chunk], **asked: Any) -> Accepted:
        """Accept a job, of which ``asked`` says what ``NewJob`` holds; see ``Record.accept``.

        Raises:
            EngineFailed: the broker is away. Nothing is accepted then, though workers would find
                it: its caller is told so that it can go elsewhere.
        """
        self._engine.check()
        accepted = self.record.accept(NewJob(**asked), chunks)
        try:
            if accepted.is_new:
                self._engine.tell()
        except EngineFailed as error:  # It is accepted.
            _log.warning("workers find job %s without the broker: %s", accepted.job.id, error)
        return accepted

    def faults(self) -> dict[str, str]:
        """Return what cannot be used, by name, and why."""
        found = {}
        for name, check in (("database", self.record.check), ("broker", self._engine.check)):
            try:
                check()
            except Exception as error:  # Whatever it is, it is told and not raised.
                found[name] = str(error)
        return found


def open_desk(config: Config, folder: Path) -> Desk:
    """Open the record and the engine.

    Raises:
        ConfigError: a URL is wrong, or a library for it is missing.
    """
    record = open_record(config.database_url, read_limits(config))
    return Desk(record, Engine(config.broker_url, folder))
