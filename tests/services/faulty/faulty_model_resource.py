"""The endpoints of the faulty models."""

from typing import ClassVar

from model_serving.serving import Model
from model_serving.web import Example, ModelResource
from tests.services.faulty.faulty_model import (
    BrokenModel,
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
