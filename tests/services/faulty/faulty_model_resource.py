"""The endpoints of the faulty models."""

import os
import signal
from typing import Any, ClassVar

from model_serving.serving import Model
from model_serving.web import Example, ModelResource
from tests.services.faulty.faulty_model import (
    BrokenModel,
    DeadlyModel,
    FaultyModel,
    HangingModel,
    MisdeclaredModel,
    SlowModel,
    StuckModel,
)


class FaultyModelResource(ModelResource):
    """``{"do": "echo", "value": 1}`` → ``{"result": 1}``."""

    model: ClassVar[type[Model]] = FaultyModel
    schema = {
        "type": "object",
        "properties": {"do": {"type": "string"}, "value": {}},
        "required": ["do", "value"],
    }
    response_schema = {
        "type": "object",
        "properties": {"result": {}},
        "required": ["result"],
    }
    examples = (Example({"do": "echo", "value": 1}, {"result": 1}),)


class HangingModelResource(FaultyModelResource):
    """The same."""

    model = HangingModel


class SlowModelResource(FaultyModelResource):
    """The same."""

    model = SlowModel


class DeadlyModelResource(FaultyModelResource):
    """End whatever process makes an instance that says so."""

    model = DeadlyModel

    def to_instance(self, body: Any) -> Any:
        if body["do"] == "end":
            os.kill(os.getpid(), signal.SIGKILL)
        return body


class BrokenModelResource(FaultyModelResource):
    """The same."""

    model = BrokenModel


class StuckModelResource(FaultyModelResource):
    """The same."""

    model = StuckModel


class MisdeclaredModelResource(FaultyModelResource):
    """What is expected is not what the model answers."""

    model = MisdeclaredModel
    examples = (Example({"do": "echo", "value": 1}, {"result": 2}),)
