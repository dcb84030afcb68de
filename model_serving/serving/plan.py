"""What the supervisor says to its children, and what it hears.

The supervisor itself loads no code of models or resources. A catalogue, the program that knows the
resources, is started from the newest code, tells what is to be served, checks what the first
replica of each model predicts for its resource's examples, and is gone.
"""

import signal
from typing import Any

import msgspec

from model_serving.model_conf import ModelConf

LEAVE = signal.SIGUSR1  # To a replica that nobody asks any more.


class ModelPlan(msgspec.Struct):
    """A model to serve.

    ``instances`` are those of its resource's examples. ``predictions`` are what the catalogue has
    found right for them, so that later replicas are compared with these.
    """

    name: str
    target: str
    conf: ModelConf
    instances: list[Any]
    predictions: list[Any] | None = None


class Contents(msgspec.Struct):
    """The catalogue's first message: what is to be served, or why nothing can be."""

    models: list[ModelPlan] = []
    start_timeout_s: float = 0.0
    error: str | None = None


class Check(msgspec.Struct):
    """Ask whether these are the right predictions for a model's examples."""

    name: str
    predictions: list[Any]


class Verdict(msgspec.Struct):
    """The answer: what is wrong with them, or None."""

    error: str | None = None


class Order(msgspec.Struct):
    """What the supervisor wants: a model that answers at this path, tried on ``instances``."""

    target: str
    conf: ModelConf
    socket_path: str
    instances: list[Any]
    start_timeout_s: float


class Report(msgspec.Struct):
    """What became of it: the predictions for the instances, or why there are none."""

    predictions: list[Any] = []
    error: str | None = None
