"""The delivery of callbacks: several at a time, so that a slow receiver holds up no other."""

import logging
import random
import threading
import time
from collections.abc import Callable

from model_serving.errors import ServiceError
from model_serving.jobs.callback import CallbackFailed, Sender, retry_delay_s
from model_serving.jobs.callbacks import Callback
from model_serving.jobs.record import Record
from model_serving.jobs.summary import told
from model_serving.json_text import json_bytes

SENDERS = 16
_AGAIN_S = 1.0  # A database that is away is told again.
_chance = random.SystemRandom()
_log = logging.getLogger("jobs")


class Delivery:
    """Sends what is due, in threads that end with the process, whatever they wait for."""

    def __init__(self, record: Record, sender: Sender) -> None:
        self._record = record
        self._sender = sender
        # Nobody else may send meanwhile, nor while the database does not hear that it was done.
        self._lease_s = sender.timeout_s + 60.0
        self._threads: list[threading.Thread] = []
        self._is_over = False

    def begin(self) -> None:
        """Begin to send what is due, as far as there are senders who are idle.

        Raises:
            RecordFailed, StorageFull: the database cannot be used.
        """
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for callback in self._take(SENDERS - len(self._threads)):
            thread = threading.Thread(target=self._send, args=(callback,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self, patience_s: float) -> None:
        """Begin nothing new, and wait a little for what is being sent: it need not go twice."""
        self._is_over = True
        until_s = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _take(self, limit: int) -> list[Callback]:
        if limit == 0 or self._is_over:
            return []
        return self._record.callbacks.take_due(self._lease_s, limit)

    def _send(self, first: Callback) -> None:
        """Send a callback, and then what else is due."""
        callbacks = [first]
        try:
            while callbacks:
                self._send_one(callbacks[0])
                callbacks = self._take(1)
        except ServiceError as error:
            _log.warning("cannot look for callbacks: %s", error)
        except Exception:
            _log.exception("callback of job %s", first.job_id)

    def _send_one(self, callback: Callback) -> None:
        until_s = time.monotonic() + self._lease_s
        job = self._record.find(callback.job_id)
        if job is None:  # It was removed, and its callback with it.
            return
        try:
            self._sender.send(callback.url, json_bytes(told(job)))
        except CallbackFailed as error:
            self._note(until_s, self._failed(callback, str(error)))
        else:
            self._note(until_s, lambda: self._record.callbacks.delivered(callback))

    def _failed(self, callback: Callback, why: str) -> Callable[[], None]:
        """Return what is to be noted; the log does not tell the URL, which may hold a secret."""
        delay_s = retry_delay_s(callback.attempts, _chance.random())
        end = "it is given up" if delay_s is None else f"it is due again in {delay_s:.0f} s"
        _log.warning("callback of job %s: %s; %s", callback.job_id, why, end)
        if delay_s is None:
            return lambda: self._record.callbacks.give_up(callback, why)
        return lambda: self._record.callbacks.retry(callback, delay_s, why)

    @staticmethod
    def _note(until_s: float, note: Callable[[], None]) -> None:
        """Write down what came of a callback; else it would be sent again."""
        while True:
            try:
                return note()
            except ServiceError as error:
                _log.warning("cannot note what came of a callback: %s", error)
                if time.monotonic() > until_s:
                    return None
            time.sleep(_AGAIN_S)
