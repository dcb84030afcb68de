from collections.abc import Callable
from typing import Any

import pytest

from model_serving.errors import ModelFailed
from model_serving.serving import InvalidInstance, Model
from model_serving.serving.model import predict_batch, predict_each


class MoodyModel(Model):
    """Answer the length of the batch, and notes what it was asked."""

    def __init__(self, act: Callable[[list[Any]], Any]) -> None:
        self.act = act
        self.asked: list[list[Any]] = []

    def predict(self, instances: list[Any]) -> Any:
        self.asked.append(instances)
        return self.act(instances)


def refuse_bad(instances: list[Any]) -> list[Any]:
    if "bad" in instances:
        raise ValueError("bad")
    return instances


def exit_on_bad(instances: list[Any]) -> list[Any]:
    if "bad" in instances:
        raise SystemExit("bad")
    return instances


def lose_bad(instances: list[Any]) -> list[Any]:
    return [instance for instance in instances if instance != "bad"]


def return_none_for_bad(instances: list[Any]) -> list[Any] | None:
    return None if "bad" in instances else instances


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (refuse_bad, ValueError),
        (exit_on_bad, SystemExit),
        (lose_bad, ValueError),
        (return_none_for_bad, TypeError),
    ],
    ids=["raises", "exits", "loses one", "returns none"],
)
def test_predict_each_lets_the_bad_instance_alone_fail(
    act: Callable[[list[Any]], Any], cause: type[BaseException]
) -> None:
    model = MoodyModel(act)
    first, bad, last = predict_each(model, ["a", "bad", "c"])
    assert (first, last) == ("a", "c")
    assert isinstance(bad, ModelFailed)
    assert isinstance(bad.__cause__, cause)
    assert model.asked == [["a", "bad", "c"], ["a"], ["bad"], ["c"]]


def test_predict_each_asks_once_where_all_is_well() -> None:
    model = MoodyModel(list)
    assert predict_each(model, [1, 2]) == [1, 2]
    assert model.asked == [[1, 2]]


def test_predict_each_asks_a_single_instance_once() -> None:
    model = MoodyModel(refuse_bad)
    (failed,) = predict_each(model, ["bad"])
    assert isinstance(failed, ModelFailed)
    assert model.asked == [["bad"]]


def test_predict_each_keeps_what_the_model_refuses() -> None:
    model = MoodyModel(lambda instances: [InvalidInstance(str(one)) for one in instances])
    assert predict_each(model, [1, 2]) == [InvalidInstance("1"), InvalidInstance("2")]


@pytest.mark.parametrize(
    ("predictions", "says"),
    [([], "0 predictions for 2"), ([1], "1 predictions for 2"), ([1, 2, 3], "3 predictions for 2")],
    ids=["none", "too few", "too many"],
)
def test_predict_batch_refuses_a_wrong_length(predictions: list[Any], says: str) -> None:
    with pytest.raises(ModelFailed) as raised:
        predict_batch(MoodyModel(lambda _: predictions), [1, 2])
    assert says in str(raised.value.__cause__)


def test_predict_batch_lets_an_interrupt_through() -> None:
    def interrupt(_: list[Any]) -> list[Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_each(MoodyModel(interrupt), [1, 2])
