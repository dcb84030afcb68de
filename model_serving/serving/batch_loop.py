"""The loop of a replica: it takes what waits, predicts, and answers.

What waits on all connections is one batch, and each connection is answered with one write.
"""

import logging
import selectors
import socket
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any

from model_serving.errors import ModelFailed, StorageFailed, StorageFull
from model_serving.figures import Figures
from model_serving.model_conf import ServingSettings
from model_serving.serving.alarm import alarm
from model_serving.serving.batching import Caller, Queue, Waiting, is_foreground
from model_serving.serving.connection import Connection
from model_serving.serving.model import InvalidInstance, Model, predict_batch, predict_each
from model_serving.serving.share import Calls, Share
from model_serving.serving.wire import Answer, Encoder, Outcome, Question, encode


class BatchLoop:
    """Answers questions with a model, batch by batch, until its supervisor lets it go."""

    def __init__(
        self,
        name: str,
        model: Model,
        settings: ServingSettings,
        listener: socket.socket,
        lifeline: int,
        figures: Figures,
        encoders: tuple[Encoder, Encoder],
        calls: Calls,
    ) -> None:
        """Listen; ``lifeline`` is a pipe that ends when gunicorn's master does.

        Answers are written by the first of the ``encoders``, and those to jobs by the second.
        """
        self._model = model
        self._settings = settings
        self._encoders = encoders
        self._figures = figures
        self._queue = Queue(settings.max_batch_size, figures)
        self._calls = calls
        self._share = Share(calls)
        self._log = logging.getLogger(name)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(lifeline, selectors.EVENT_READ)
        self._listener = listener
        self._is_serving = True

    def run(self) -> None:
        """Serve until gunicorn's master is gone."""
        while self._is_serving:
            self._read(self._rest_s() if len(self._queue) else None)
            if self._rest_s():
                continue
            self._wait_for_more()
            self._read(0)  # What came right behind: hang-ups, cancellations.
            # Kept by no name, as what it holds would stay there until the next one.
            self._answer(self._queue.take(owes_background=self._share.is_due))

    def _rest_s(self) -> float:
        return 0.0 if self._queue.has_foreground else self._share.left_s

    def _read(self, timeout_s: float | None) -> None:
        for key, events in self._selector.select(timeout_s):
            if isinstance(key.data, Connection):
                if events & selectors.EVENT_WRITE:
                    key.data.flush()
                if events & selectors.EVENT_READ and key.data.is_open:
                    self._enqueue(key.data)
            elif key.fileobj is self._listener:
                self._accept()
            else:
                self._is_serving = False

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                peer, _ = self._listener.accept()
                self._enqueue(Connection(peer, self._selector))

    def _enqueue(self, connection: Connection) -> None:
        for frame in connection.receive():
            if isinstance(frame, Question):
                self._queue.put(frame, connection)
            else:
                self._queue.cancel(frame, connection)

    def _wait_for_more(self) -> None:
        """Wait up to ``max_wait_ms`` for the batch to fill, while instances keep coming."""
        deadline_s = time.monotonic() + self._settings.max_wait_ms / 1000
        while len(self._queue) and not self._queue.is_full:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not self._is_serving:
                break
            self._read(left_s)

    def _answer(self, batch: list[Waiting]) -> None:
        if not batch:
            return
        if batch[0].question.alone:
            batch[0].caller.send(encode(Answer(batch[0].question.id, Outcome.STARTED)))
        started_s = time.monotonic()
        for waiting in batch:
            if is_foreground(waiting):  # What a job waits tells nothing.
                self._figures.queue_wait.observe(started_s - waiting.question.sent_s)
        answers: defaultdict[Caller, bytearray] = defaultdict(bytearray)
        with alarm(self._settings.timeout_s):
            predictions = self._predict(batch)
            self._figures.inference.observe(time.monotonic() - started_s)
            self._figures.batch_size.observe(len(batch))
            # Files of the predictions may have to be kept somewhere slow.
            for waiting, prediction in zip(batch, predictions, strict=False):
                answers[waiting.caller] += self._answer_to(waiting, prediction)
        for caller, data in answers.items():
            caller.send(data)
        if len(predictions) == len(batch):
            taken_s = time.monotonic() - started_s
            self._queue.pace.observe(len(batch), taken_s, not is_foreground(batch[-1]))
            if not is_foreground(batch[0]):
                self._share.observe(taken_s)
                return
            self._calls.note()
            if self._queue.has_background:
                self._share.skip(taken_s)

    def _predict(self, batch: list[Waiting]) -> list[Any]:
        """Return predictions for all, or for the foreground alone where the background fails."""
        instances = [waiting.question.instance for waiting in batch]
        if len(batch) == 1 or is_foreground(batch[-1]):
            return predict_each(self._model, instances)
        try:
            return predict_batch(self._model, instances)
        except ModelFailed:
            # One by one at once, they would keep the foreground waiting all the while.
            first = [is_foreground(waiting) for waiting in batch].index(False)
            self._queue.put_back(batch[first:])
            return predict_each(self._model, instances[:first]) if first else []

    def _answer_to(self, waiting: Waiting, prediction: Any) -> bytearray:
        number, encoder = waiting.question.id, self._encoders[not is_foreground(waiting)]
        try:
            if isinstance(prediction, InvalidInstance):
                return encode(Answer(number, Outcome.INVALID, prediction.reason))
            if not isinstance(prediction, ModelFailed):
                return encode(Answer(number, Outcome.PREDICTED, prediction), encoder)
            self._log.error("predict failed", exc_info=prediction.__cause__)
        except (StorageFull, StorageFailed) as error:
            self._log.error("cannot keep a result file: %s", error.__cause__)
            is_full = isinstance(error, StorageFull)
            return encode(Answer(number, Outcome.FULL if is_full else Outcome.UNSTORED))
        except Exception:
            self._log.exception("a prediction is no plain data, so it cannot be sent")
        return encode(Answer(number, Outcome.FAILED))
