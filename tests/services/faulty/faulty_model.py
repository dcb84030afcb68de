"""Models that do what their instances say: the good, and all that a model can do wrong.

The tests add them to a copy of the project, as ``model_serving/models/faulty_model.py``.
"""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model_serving.files import File
from model_serving.serving import InvalidInstance, Model

MIB = 1024 * 1024


def _raise(value: Any) -> Any:
    raise ValueError(value)


def _sleep(value: Any) -> Any:
    time.sleep(value)
    return value


def _wait(value: Any) -> Any:
    """Tell in a folder that this has begun, and wait for the word to go on."""
    Path(value, "begun").touch()
    while not Path(value, "on").exists():
        time.sleep(0.01)
    return value


def _mark(value: Any) -> Any:
    Path(value).touch()
    return value


def _file(value: Any) -> Any:
    return File(value.encode(), "text/plain")


def _kill(_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _crash(_: Any) -> Any:
    return ctypes.string_at(0)


def _once(harm: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what does harm unless the file of that name is there already."""

    def do(value: Any) -> Any:
        if not Path(value).exists():
            Path(value).touch()
            harm(value)
        return value

    return do


def _hang(value: Any) -> Any:
    """Never return; a file of that name tells that this has begun."""
    if value:
        Path(value).touch()
    threading.Event().wait()


def _hang_in_c(_: Any) -> Any:
    ctypes.PyDLL(None).sleep(1000)  # Unlike CDLL, it keeps the interpreter's lock.


def _grow(value: Any) -> Any:
    """Fill as many MiB, page by page."""
    return len([bytearray(b"x") * MIB for _ in range(value)])


ACTIONS: dict[str, Callable[[Any], Any]] = {
    "echo": lambda value: value,
    "sleep": _sleep,
    "wait": _wait,
    "mark": _mark,
    "file": _file,
    "raise": _raise,
    "refuse": InvalidInstance,
    "kill": _kill,
    "kill once": _once(_kill),
    "crash": _crash,
    "crash once": _once(_crash),
    "hang": _hang,
    "hang once": _once(_hang),
    "hang in C": _hang_in_c,
    "object": lambda _: object(),
    "grow": _grow,
}


class FaultyModel(Model):
    """Do what each instance says."""

    def __init__(self) -> None:
        self.batches = 0

    def predict(self, instances: list[Any]) -> list[Any]:
        """Answer ``do`` with what it brings, or ``tell`` with where that was."""
        self.batches += 1
        if any(instance["do"] == "lose" for instance in instances):
            return []
        place = {"pid": os.getpid(), "batch": self.batches, "batch_size": len(instances)}
        return [
            place | {"value": instance["value"]}
            if instance["do"] == "tell"
            else ACTIONS[instance["do"]](instance["value"])
            for instance in instances
        ]


class HangingModel(FaultyModel):
    """Do the same, with less patience."""


class SlowModel(FaultyModel):
    """Take the same time for each batch."""

    def predict(self, instances: list[Any]) -> list[Any]:
        """Sleep first."""
        time.sleep(0.1)
        return super().predict(instances)


class DeadlyModel(FaultyModel):
    """Do the same, for a resource that does harm."""


class BrokenModel(FaultyModel):
    """Fail to load, and note when that was."""

    def __init__(self, attempts: Path) -> None:
        with attempts.open("a") as file:
            print(time.monotonic(), file=file)
        raise RuntimeError("the weights are missing")


class StuckModel(FaultyModel):
    """Load for ever."""

    def __init__(self) -> None:
        _hang(None)


class MisdeclaredModel(FaultyModel):
    """Answer something else than the resource's example says."""
