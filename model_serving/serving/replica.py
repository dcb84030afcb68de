"""A replica: one model in a process of its own, which answers whoever asks over its Unix socket.

It takes everything that waits on all its connections as one batch, predicts, and answers each
connection with one write. The supervisor starts it: ``python -m model_serving.serving.replica``.
"""

import faulthandler
import gc
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from model_serving.config import load_config
from model_serving.errors import ModelFailed, StorageFailed, StorageFull
from model_serving.figures import SUFFIX, Figures
from model_serving.files import example_url, open_assets
from model_serving.log import configure_logging
from model_serving.model_conf import ServingSettings
from model_serving.place import METRICS_VARIABLE, PLACE_VARIABLE
from model_serving.serving.batching import Caller, Queue, Waiting
from model_serving.serving.connection import READ_BYTES, Connection
from model_serving.serving.model import InvalidInstance, Model, predict_batch, predict_each
from model_serving.serving.plan import LEAVE, Order, Report
from model_serving.serving.specification import ModelSpecification
from model_serving.serving.wire import Answer, Encoder, FrameReader, Outcome, Question, encode

BACKLOG = 1024


class Leaving(BaseException):
    """Nobody asks this replica any more; no model takes this for a failure of its own."""


class Replica:
    """Answers questions with a model, batch by batch, until its supervisor lets it go."""

    def __init__(
        self,
        name: str,
        model: Model,
        settings: ServingSettings,
        listener: socket.socket,
        lifeline: int,
        figures: Figures,
        encoder: Encoder,
    ) -> None:
        """Listen; ``lifeline`` is a pipe that ends when gunicorn's master does."""
        self._encoder = encoder
        self._model = model
        self._settings = settings
        self._figures = figures
        self._queue = Queue(settings.max_batch_size, figures)
        self._log = logging.getLogger(name)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(lifeline, selectors.EVENT_READ)
        self._listener = listener
        self._is_serving = True

    def serve(self) -> None:
        """Serve until gunicorn's master is gone."""
        while self._is_serving:
            self._read(0 if len(self._queue) else None)
            self._wait_for_more()
            self._read(0)  # What came right behind: hang-ups, cancellations.
            if batch := self._queue.take():
                self._answer(batch)

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
        if batch[0].question.alone:
            batch[0].caller.send(encode(Answer(batch[0].question.id, Outcome.STARTED)))
        started_s = time.monotonic()
        for waiting in batch:
            self._figures.queue_wait.observe(started_s - waiting.question.sent_s)
        answers: defaultdict[Caller, bytearray] = defaultdict(bytearray)
        with alarm(self._settings.timeout_s):
            predictions = predict_each(self._model, [w.question.instance for w in batch])
            self._figures.inference.observe(time.monotonic() - started_s)
            self._figures.batch_size.observe(len(batch))
            # Files of the predictions may have to be kept somewhere slow.
            for waiting, prediction in zip(batch, predictions, strict=True):
                answers[waiting.caller] += self._answer_to(waiting.question.id, prediction)
        for caller, data in answers.items():
            caller.send(data)

    def _answer_to(self, number: int, prediction: Any) -> bytearray:
        try:
            if isinstance(prediction, InvalidInstance):
                return encode(Answer(number, Outcome.INVALID, prediction.reason))
            if not isinstance(prediction, ModelFailed):
                return encode(Answer(number, Outcome.PREDICTED, prediction), self._encoder)
            self._log.error("predict failed", exc_info=prediction.__cause__)
        except (StorageFull, StorageFailed) as error:
            self._log.error("cannot keep a result file: %s", error.__cause__)
            is_full = isinstance(error, StorageFull)
            return encode(Answer(number, Outcome.FULL if is_full else Outcome.UNSTORED))
        except Exception:
            self._log.exception("a prediction is no plain data, so it cannot be sent")
        return encode(Answer(number, Outcome.FAILED))


@contextmanager
def alarm(timeout_s: float) -> Iterator[None]:
    """End the process by SIGALRM if the block takes longer, even where it holds the interpreter."""
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def prepare(order: Order) -> tuple[Model, socket.socket, Report]:
    """Load the model, try it, and listen.

    Raises:
        Exception: whatever the model raises.
    """
    with alarm(order.start_timeout_s):
        model = ModelSpecification.of_target(order.target, order.conf).build()
        predictions = [predict_batch(model, [instance])[0] for instance in order.instances]
    for number, prediction in enumerate(predictions, start=1):
        if isinstance(prediction, InvalidInstance):
            raise ValueError(f"example {number} is refused: {prediction.reason}")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(order.socket_path)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return model, listener, Report(predictions)


def main(channel_fd: str, lifeline_fd: str, name: str) -> None:
    """Carry out the order that comes over the channel, and report."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Terminals and platforms send these to all processes; HTTP workers still need this one.
        signal.signal(number, signal.SIG_IGN)
    signal.signal(LEAVE, _leave)
    # The alarm shows where the model was before it kills the process.
    faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
    with suppress(OSError):
        # Where memory runs out, it is better to lose a replica than what it serves.
        Path("/proc/self/oom_score_adj").write_text("500")
    config = load_config()
    configure_logging(config, rotates=False)
    encoder = Encoder(enc_hook=open_assets(config).publish)

    with socket.socket(fileno=int(channel_fd)) as channel:
        order = _receive_order(channel)
        try:
            model, listener, report = prepare(order)
            message = encode(report, Encoder(enc_hook=example_url))
        except (Exception, SystemExit) as error:
            logging.getLogger(name).exception("cannot be loaded")
            channel.sendall(encode(Report(error=f"{type(error).__name__}: {error}")))
            sys.exit(1)
        channel.sendall(message)
    # What is loaded stays: the garbage collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    figures = Figures(figures_path())
    Replica(name, model, order.conf.serving, listener, int(lifeline_fd), figures, encoder).serve()


def figures_path() -> Path | None:
    """Return the file of this process's figures, where its parent gives it a place for one."""
    folder, place = (os.environ.get(name) for name in (METRICS_VARIABLE, PLACE_VARIABLE))
    return Path(folder, place + SUFFIX) if folder and place else None


def _leave(*_: object) -> None:
    raise Leaving


def _receive_order(channel: socket.socket) -> Order:
    reader: FrameReader[Order] = FrameReader(Order)
    while data := channel.recv(READ_BYTES):
        for order in reader.feed(data):
            return order
    sys.exit("the supervisor has ended")


if __name__ == "__main__":
    with suppress(Leaving):
        main(*sys.argv[1:])
