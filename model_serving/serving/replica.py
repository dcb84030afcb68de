"""A replica: one model in a process of its own, which answers whoever asks over its Unix socket.

The supervisor starts it: ``python -m model_serving.serving.replica``.
"""

import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from model_serving.config import load_config
from model_serving.figures import SUFFIX, Figures
from model_serving.files import example_url, open_assets, open_job_assets
from model_serving.log import configure_logging
from model_serving.place import METRICS_VARIABLE, PLACE_VARIABLE
from model_serving.serving.alarm import alarm
from model_serving.serving.batch_loop import BatchLoop
from model_serving.serving.connection import READ_BYTES
from model_serving.serving.model import InvalidInstance, Model, predict_batch
from model_serving.serving.plan import LEAVE, Order, Report
from model_serving.serving.share import FILE, Calls
from model_serving.serving.specification import ModelSpecification
from model_serving.serving.wire import Encoder, FrameReader, encode

BACKLOG = 1024


class Leaving(BaseException):
    """Nobody asks this replica any more; no model takes this for a failure of its own."""


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
    assets = open_assets(config), open_job_assets(config)
    encoders = Encoder(enc_hook=assets[0].publish), Encoder(enc_hook=assets[1].publish)

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
    path = figures_path()
    figures, calls = Figures(path), Calls(path and path.with_name(FILE))
    settings, lifeline = order.conf.serving, int(lifeline_fd)
    BatchLoop(name, model, settings, listener, lifeline, figures, encoders, calls).run()


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
