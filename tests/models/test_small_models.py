import pytest

from model_serving.models.echo_model import EchoModel
from model_serving.models.xxx_model import XXXModel


def test_xxx_model_greets_each_by_name() -> None:
    assert XXXModel().predict(["Leo", "世界"]) == ["Hello, Leo!", "Hello, 世界!"]


def test_xxx_model_greets_as_it_is_set_to() -> None:
    assert XXXModel(greeting="Hi").predict(["Leo"]) == ["Hi, Leo!"]


@pytest.mark.parametrize("model", [XXXModel, EchoModel])
def test_empty_batch_has_no_predictions(model: type[XXXModel] | type[EchoModel]) -> None:
    assert model().predict([]) == []


def test_echo_model_returns_what_it_gets() -> None:
    assert EchoModel().predict(["a", None, ""]) == ["a", None, ""]
