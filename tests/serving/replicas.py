"""Real replica processes, started as the supervisor starts them, and bare connections to them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from model_serving.model_conf import ModelConf, ServingSettings
from model_serving.place import PLACE_VARIABLE, ROOT
from model_serving.serving.connection import READ_BYTES
from model_serving.serving.plan import Order, Report
from model_serving.serving.wire import Answer, Cancel, FrameReader, Priority, Question, encode
from tests.services.processes import clean_environment

PATIENCE_S = 240.0
OBEDIENT = "tests.serving.models_for_replicas:ObedientModel"


@dataclass
class RunningReplica:
    """A replica's process, what it reported, and what holds it."""

    process: subprocess.Popen[bytes]
    path: Path
    report: Report
    lifeline: int
    printed: Path

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait until it has ended, and return its exit code."""
        return self.process.wait(PATIENCE_S)


class Replicas:
    """Starts replicas, and ends them all in the end."""

    def __init__(self, folder: Path, stack: ExitStack, metrics: Path | None = None) -> None:
        self._folder = folder
        self._stack = stack
        self._environment = clean_environment(LOG_DIR=str(folder), LOG_CONSOLE="false")
        if metrics is not None:
            self._environment["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
        self._count = 0

    def start(
        self,
        path: Path | None = None,
        target: str = OBEDIENT,
        instances: list[Any] | None = None,
        start_timeout_s: float = PATIENCE_S,
        **serving: Any,
    ) -> RunningReplica:
        """Start one, and wait for its report."""
        self._count += 1
        path = path or self._folder / f"{self._count}.socket"
        conf = ModelConf(serving=ServingSettings(**{"timeout_s": PATIENCE_S} | serving))
        order = Order(target, conf, str(path), instances or [], start_timeout_s)
        printed = self._folder / f"{self._count}.printed"
        lifeline, ours = os.pipe()
        channel, theirs = socket.socketpair()
        with channel, theirs, printed.open("wb") as output:
            process = self._run(target, theirs.fileno(), lifeline, output)
            self._stack.callback(_end, process, ours)
            theirs.close()
            os.close(lifeline)
            channel.sendall(encode(order))
            return RunningReplica(process, path, _report(channel), ours, printed)

    def _run(
        self, target: str, channel: int, lifeline: int, output: BinaryIO
    ) -> subprocess.Popen[bytes]:
        name = target.partition(":")[2]
        module = "model_serving.serving.replica"
        return subprocess.Popen(
            [sys.executable, "-m", module, str(channel), str(lifeline), name],
            cwd=ROOT,
            env=self._environment | {PLACE_VARIABLE: f"{name}-{self._count}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(channel, lifeline),
        )


def _report(channel: socket.socket) -> Report:
    channel.settimeout(PATIENCE_S)
    reader: FrameReader[Report] = FrameReader(Report)
    while data := channel.recv(READ_BYTES):
        for report in reader.feed(data):
            return report
    return Report(error="ended without a report")


def _end(process: subprocess.Popen[bytes], lifeline: int) -> None:
    process.kill()
    process.wait()
    try:
        os.close(lifeline)
    except OSError:
        return  # The test has closed it.


class Line:
    """A connection to a replica, frame by frame."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(path))
        self._reader: FrameReader[Answer] = FrameReader(Answer)
        self._come: list[Answer] = []

    def ask(
        self,
        *instances: Any,
        first: int = 1,
        alone: bool = False,
        in_s: float = PATIENCE_S,
        priority: Priority = Priority.FOREGROUND,
    ) -> None:
        """Send questions, numbered from ``first`` on, by one write."""
        now_s = time.monotonic()
        frames = [
            encode(Question(number, now_s, now_s + in_s, alone, instance, priority))
            for number, instance in enumerate(instances, first)
        ]
        self.socket.sendall(b"".join(frames))

    def cancel(self, number: int) -> None:
        """Say that nobody waits for an answer."""
        self.socket.sendall(encode(Cancel(number)))

    def answers(self, count: int = 1) -> list[Answer]:
        """Return the next answers; fewer where the replica hangs up."""
        while len(self._come) < count and (data := self.socket.recv(READ_BYTES)):
            self._come += self._reader.feed(data)
        answers, self._come = self._come[:count], self._come[count:]
        return answers

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def line_to(replica: RunningReplica) -> "closing[Line]":
    """Connect to a replica until the end of the block."""
    return closing(Line(replica.path))


class Gate:
    """Keeps a model in ``predict`` for as long as the test wants."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.instance = ["gate", str(path)]
        self._path = path

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *_: object) -> None:
        self.open()

    def wait(self) -> None:
        """Wait until the model stands before it."""
        self._writer = cast(BinaryIO, self._path.open("wb"))

    def open(self) -> None:
        """Let the model go on."""
        self._writer.close()


def running_replicas(folder: Path, metrics: Path | None = None) -> Iterator[Replicas]:
    """Yield a starter of replicas, and end what it has started; for fixtures."""
    with ExitStack() as stack:
        yield Replicas(folder, stack, metrics)
