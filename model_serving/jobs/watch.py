"""The watch over the database and the broker, and the report of it."""

import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from model_serving.errors import ConfigError, ServiceError
from model_serving.jobs.chores import do_every
from model_serving.jobs.engine import Engine
from model_serving.jobs.job import ENDED, OPEN
from model_serving.jobs.record import Record
from model_serving.jobs.report import LOADING, Report, Reports

Found = TypeVar("Found")
_PERIOD_S = 2.0
_PATIENCE_S = 4.0  # Longer than what is bounded by itself.
_log = logging.getLogger("jobs")


class Watch(Generic[Found]):
    """Whether something can be used. One thread looks, and may hang; others are told at once."""

    def __init__(
        self, ask: Callable[[], Found], name: str, patience_s: float = _PATIENCE_S
    ) -> None:
        """Ask whenever it is time to look; an exception tells that it cannot be used."""
        self._ask = ask
        self._name = name
        self._patience_s = patience_s
        self._asked_s: float | None = None
        self._fault = LOADING
        self._found: Found | None = None

    def look(self) -> None:
        """Ask."""
        self._asked_s = time.monotonic()
        fault = ""
        try:
            self._found = self._ask()
        except Exception as error:  # Whatever it is, it is told; some messages are ours.
            is_ours = isinstance(error, ServiceError | ConfigError)
            fault = str(error) if is_ours else type(error).__name__
        if fault != self._fault:
            _log.info("%s of jobs: %s", self._name, fault or "ready")
        self._fault = fault
        self._asked_s = None

    @property
    def fault(self) -> str:
        """Why it cannot be used, or nothing."""
        waited_s = 0.0 if (asked_s := self._asked_s) is None else time.monotonic() - asked_s
        if waited_s > self._patience_s:
            return f"no answer in {self._patience_s:g} s"
        return self._fault

    @property
    def found(self) -> Found | None:
        """What the last answer was; None where there is a fault."""
        return None if self.fault else self._found


class Reporter:
    """Reports of the record and the engine."""

    def __init__(
        self, reports: Reports, record: Record, engine: Engine, models: Iterable[str]
    ) -> None:
        """Tell of each of ``models`` in each state, also where it has no jobs."""
        self.database = Watch(record.counts, "database")
        self.broker = Watch(engine.check, "broker")
        self._reports = reports
        self._none = {(model, state): 0 for model in models for state in (*OPEN, *ENDED)}

    def start(self) -> None:
        """Look and report again and again, until the process ends."""
        for chore in (self.database.look, self.broker.look, self.report):
            do_every(_PERIOD_S, chore, "cannot report of jobs")

    def report(self) -> None:
        """Write what is known now."""
        faults = {"database": self.database.fault, "broker": self.broker.fault}
        away = {name: fault for name, fault in faults.items() if fault}
        told = Report(time.monotonic(), os.getpid(), away)
        if counts := self.database.found:
            jobs = self._none | dict(counts.jobs)
            told.counts = [(model, state, count) for (model, state), count in jobs.items()]
            told.oldest_queued_s = counts.oldest_queued_s
        try:
            self._reports.write(told)
        except OSError as error:  # Of a full disk, HTTP workers hear by the age of the last one.
            _log.warning("cannot report of jobs: %s", error)
