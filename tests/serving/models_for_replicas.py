"""Models for tests, which do as their instances say; real replica processes import them."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from model_serving.serving import InvalidInstance, Model


class ObedientModel(Model):
    """Do what each instance says: ``[what, argument]``."""

    def predict(self, instances: list[Any]) -> list[Any]:
        return [self.obey(what, argument, instances) for what, argument in instances]

    def obey(self, what: str, argument: Any, instances: list[Any]) -> Any:
        match what:
            case "batch":
                return [argument for _, argument in instances]
            case "pid":
                return os.getpid()
            case "burn":
                end_s = time.thread_time() + argument
                while time.thread_time() < end_s:
                    pass
            case "refuse":
                return InvalidInstance(argument)
            case "object":
                return object()
            case "raise":
                raise ValueError(argument)
            case "exit":
                sys.exit(argument)
        return self.stop(what, argument)

    def stop(self, what: str, argument: Any) -> Any:
        """Wait, or end."""
        match what:
            case "gate":  # A FIFO: read until whoever opened it for writing closes it.
                Path(argument).read_bytes()
            case "hang":
                threading.Event().wait()
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "die once":
                if not Path(argument).exists():
                    Path(argument).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
        return argument


class BrokenModel(Model):
    """Fail to load."""

    def __init__(self) -> None:
        raise FileNotFoundError("weights.onnx is missing")

    def predict(self, instances: list[Any]) -> list[Any]:
        return instances


class EndlessModel(BrokenModel):
    """Never come to an end with loading."""

    def __init__(self) -> None:
        threading.Event().wait()


class ExitingModel(BrokenModel):
    """Exit while loading."""

    def __init__(self) -> None:
        sys.exit("no licence")
