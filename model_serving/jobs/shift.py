"""The shift of a worker: it does what waits in the record, until it is told to stop.

A message makes it look there at once, and without one it looks each second. So messages may be
lost, or the broker be away: the folder loses those that a killed worker had read, Redis those that
were not on its disk.
"""

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress

from celery.exceptions import SecurityWarning
from celery.signals import worker_shutting_down

from model_serving.jobs.chores import do_every
from model_serving.jobs.engine import WORK, Engine
from model_serving.jobs.presence import Presence
from model_serving.jobs.upkeep import Upkeep
from model_serving.jobs.work import Work

_LOOK_S = 1.0
_END_S = 8.0  # How long giving back may take: whoever takes a chunk over does it again.
# Workers need not know of each other: the record is what they share.
_ALONE = {"without_gossip": True, "without_mingle": True}


class Shift:
    """Celery's worker with our one task, which rings for the thread that works."""

    def __init__(
        self,
        engine: Engine,
        work: Work,
        upkeep: Upkeep,
        presence: Presence,
        last: Callable[[], None],
    ) -> None:
        """Claim chunks under the name of ``presence``; ``last`` is done before the process ends."""
        self._engine = engine
        self._work = work
        self._upkeep = upkeep
        self._presence = presence
        self._last = last
        self._bell = threading.Event()
        self._busy = threading.Lock()
        self._leaving = threading.Thread(target=self._leave, daemon=True)
        engine.celery.task(name=WORK)(self._ring)

    def serve(self, is_seen: bool) -> None:
        """Work until SIGTERM, or until Celery gives up; either ends the process.

        ``is_seen`` where somebody such as Flower may watch the broker.
        """
        signal.signal(signal.SIGTERM, self._stop)  # Celery listens once it has begun.
        do_every(_LOOK_S, self.work_on, "cannot look for work", self._bell)
        do_every(_LOOK_S, self.take_over, "cannot look for dead workers")
        warnings.simplefilter("ignore", SecurityWarning)  # Messages are JSON, whoever reads them.
        worker_shutting_down.connect(self._stop)
        options = _ALONE | {"without_heartbeat": not is_seen}
        self._engine.celery.Worker(pool="threads", concurrency=1, quiet=True, **options).start()
        if self._leaving.is_alive():
            self._leaving.join()
        self._end()
        sys.exit("Celery has given up")

    def work_on(self) -> None:
        """Do chunks until there is none that waits.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        with self._busy:
            while (claim := self._work.claim(self._presence.name)) is not None:
                self._work.do(claim)
            # What it has claimed without knowing, as the database went away; for the next time.
            self._upkeep.free(self._presence.name)

    def take_over(self) -> None:
        """Free what workers of this machine held that are dead.

        Those of other machines are found by the sweep of the record, later.

        Raises:
            RecordFailed, StorageFull: the rest is found the next time.
        """
        for name in self._presence.dead():
            self._upkeep.free(name)
            self._presence.forget(name)
            self._bell.set()

    def _ring(self) -> None:
        self._bell.set()

    def _stop(self, *_: object, **__: object) -> None:
        # Celery's own way takes seconds, and waits for whatever is being started.
        with suppress(RuntimeError):  # A signal may come twice.
            self._leaving.start()

    def _end(self) -> None:
        self._work.stop()
        self._busy.acquire(timeout=_END_S)  # And for good: nothing is begun any more.
        self._last()

    def _leave(self) -> None:
        self._end()
        logging.shutdown()
        os._exit(0)
