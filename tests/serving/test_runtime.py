import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from model_serving.errors import (
    BadRequest,
    ConfigError,
    DeadlineExceeded,
    ModelFailed,
    ModelNotReady,
)
from model_serving.model_conf import ModelConf, ServingSettings
from model_serving.serving import InvalidInstance, Model, ModelSpecification
from model_serving.serving.runtime import InProcessRuntime
from model_serving.serving.wire import Priority
from tests.loops import in_loop


class DoublingModel(Model):
    """Double numbers."""

    def __init__(self, factor: int = 2, weights: Path | None = None) -> None:
        self.factor = factor

    def predict(self, instances: list[Any]) -> list[Any]:
        if -1 in instances:
            raise ValueError("secret")
        if -2 in instances:
            raise SystemExit("secret")
        return [
            InvalidInstance("zero is refused") if number == 0 else number * self.factor
            for number in instances
        ]


class ShortModel(Model):
    """Lose the predictions."""

    def predict(self, instances: list[Any]) -> list[Any]:
        return []


class NoneModel(Model):
    """Forget to return."""

    def predict(self, instances: list[Any]) -> list[Any]:
        return None  # type: ignore[return-value]


class BrokenModel(Model):
    """Fail to load."""

    def __init__(self) -> None:
        raise FileNotFoundError("weights.onnx is missing")

    def predict(self, instances: list[Any]) -> list[Any]:
        return instances


class WaitingModel(Model):
    """Wait until it is told to go on."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.at_once, self.most_at_once = 0, 0

    def predict(self, instances: list[Any]) -> list[Any]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.entered.set()
        self.go_on.wait(30)
        self.at_once -= 1
        return instances


def runtime_of(
    *models: type[Model], timeout_s: float = 30, settings: dict[str, str] | None = None
) -> InProcessRuntime:
    serving = ServingSettings(timeout_s=timeout_s)
    conf = ModelConf(serving=serving, model=settings or {}, source="a.conf")
    return InProcessRuntime([ModelSpecification(model, conf) for model in models])


def waiting_model(runtime: InProcessRuntime) -> WaitingModel:
    model = runtime._slots["WaitingModel"].model
    assert isinstance(model, WaitingModel)
    return model


def test_runtime_predicts_one_instance() -> None:
    assert runtime_of(DoublingModel).predict("DoublingModel", 21) == 42


def test_runtime_gives_a_model_its_settings_in_their_types() -> None:
    assert runtime_of(DoublingModel, settings={"factor": "3"}).predict("DoublingModel", 2) == 6


class NeedyModel(DoublingModel):
    """Need a setting."""

    def __init__(self, weights: Path) -> None:
        super().__init__(weights=weights)


def test_runtime_names_the_setting_that_a_model_lacks() -> None:
    with pytest.raises(ConfigError, match=r"a.conf: NeedyModel needs the setting 'weights'"):
        runtime_of(NeedyModel)


class OpenModel(DoublingModel):
    """Take whatever settings there are."""

    def __init__(self, factor: int, *args: int, **others: str) -> None:
        super().__init__(factor)
        self.others = others


def test_runtime_gives_a_model_all_settings_where_it_takes_any() -> None:
    runtime = runtime_of(OpenModel, settings={"factor": "3", "colour": "red"})
    assert runtime.predict("OpenModel", 2) == 6


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"factr": "3"},
            r"a.conf: DoublingModel has no setting 'factr'; known are factor, weights",
        ),
        ({"factor": "3", "weights": ""}, r"weights = '' \(from a.conf\): allowed is text that is"),
        ({"factor": "three"}, r"factor = 'three' \(from a.conf\): allowed is a whole number"),
    ],
    ids=["unknown", "empty", "wrong type"],
)
def test_runtime_refuses_wrong_model_settings(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        runtime_of(DoublingModel, settings=settings)


def test_runtime_tells_the_caller_why_an_instance_is_refused() -> None:
    with pytest.raises(BadRequest, match="zero is refused"):
        runtime_of(DoublingModel).predict("DoublingModel", 0)


@pytest.mark.parametrize(
    ("model", "instance", "cause"),
    [
        (DoublingModel, -1, "secret"),
        (DoublingModel, -2, "secret"),
        (ShortModel, 1, "predict returned 0 predictions for 1 instances"),
        (NoneModel, 1, "NoneType"),
    ],
    ids=["raises", "exits", "too few", "none at all"],
)
def test_runtime_keeps_the_cause_of_a_failure_from_the_message(
    model: type[Model], instance: int, cause: str
) -> None:
    with pytest.raises(ModelFailed) as raised:
        runtime_of(model).predict(model.__name__, instance)
    assert raised.value.message == "The model failed"
    assert cause in str(raised.value.__cause__)


def test_runtime_serves_on_when_one_model_cannot_be_loaded() -> None:
    runtime = runtime_of(DoublingModel, BrokenModel)
    assert runtime.predict("DoublingModel", 1) == 2
    with pytest.raises(ModelNotReady, match="BrokenModel is not ready"):
        runtime.predict("BrokenModel", 1)


def test_runtime_says_why_a_model_is_not_ready() -> None:
    states = runtime_of(DoublingModel, BrokenModel).states()
    assert states["DoublingModel"].ready
    assert states["BrokenModel"].reason == "FileNotFoundError: weights.onnx is missing"


def test_runtime_calls_a_model_from_one_thread_at_a_time() -> None:
    runtime = runtime_of(WaitingModel)
    model = waiting_model(runtime)
    model.go_on.set()
    threads = [
        threading.Thread(target=runtime.predict, args=("WaitingModel", number))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.most_at_once == 1


def test_runtime_lets_no_caller_wait_longer_than_its_timeout() -> None:
    runtime = runtime_of(WaitingModel, timeout_s=0.05)
    model = waiting_model(runtime)
    holder = threading.Thread(target=runtime.predict, args=("WaitingModel", 1))
    holder.start()
    assert model.entered.wait(30)
    with pytest.raises(DeadlineExceeded, match="WaitingModel did not answer in time"):
        runtime.predict("WaitingModel", 2)
    model.go_on.set()
    holder.join()
    assert runtime.predict("WaitingModel", 3) == 3


@in_loop
async def test_runtime_answers_tasks_as_it_does_threads() -> None:
    runtime = runtime_of(DoublingModel, BrokenModel)
    await runtime.open()
    asked = [runtime.ask("DoublingModel", number) for number in range(1, 100)]
    assert await asyncio.gather(*asked) == [2 * number for number in range(1, 100)]
    with pytest.raises(BadRequest, match="zero is refused"):
        await runtime.ask("DoublingModel", 0)
    with pytest.raises(ModelFailed):
        await runtime.ask("DoublingModel", -1)
    with pytest.raises(ModelNotReady, match="BrokenModel is not ready"):
        await runtime.ask("BrokenModel", 1)


@in_loop
async def test_runtime_predicts_for_tasks_while_many_wait_for_another_model() -> None:
    runtime = runtime_of(DoublingModel, WaitingModel)
    held = [asyncio.create_task(runtime.ask("WaitingModel", at)) for at in range(100)]
    await asyncio.to_thread(waiting_model(runtime).entered.wait, 30)
    assert await runtime.ask("DoublingModel", 1) == 2
    waiting_model(runtime).go_on.set()
    assert await asyncio.gather(*held) == list(range(100))
    assert waiting_model(runtime).most_at_once == 1


@pytest.mark.parametrize("timeout_s", [0.05, None], ids=["callers", "models"])
@in_loop
async def test_runtime_lets_no_task_wait_longer_than_its_timeout(timeout_s: float | None) -> None:
    runtime = runtime_of(WaitingModel, timeout_s=30 if timeout_s else 0.05)
    held = [asyncio.create_task(runtime.ask("WaitingModel", at, timeout_s)) for at in range(3)]
    for task in held:
        with pytest.raises(DeadlineExceeded, match="WaitingModel did not answer in time"):
            await task
    waiting_model(runtime).go_on.set()
    runtime._slots["WaitingModel"].timeout_s = 30
    assert await runtime.ask("WaitingModel", 3, 30) == 3


@in_loop
async def test_runtime_predicts_nothing_for_a_cancelled_task_that_waits() -> None:
    runtime = runtime_of(WaitingModel)
    model = waiting_model(runtime)
    held, waits = (asyncio.create_task(runtime.ask("WaitingModel", at)) for at in range(2))
    await asyncio.to_thread(model.entered.wait, 30)
    waits.cancel()
    await asyncio.wait([waits])
    model.entered.clear()
    model.go_on.set()
    assert await held == 0
    assert not model.entered.is_set()


@in_loop
async def test_runtime_lets_the_background_wait_as_long_as_it_must() -> None:
    runtime = runtime_of(WaitingModel, timeout_s=0.05)
    held = asyncio.create_task(runtime.ask("WaitingModel", 0, priority=Priority.HIGH))
    await asyncio.to_thread(waiting_model(runtime).entered.wait, 30)
    waits = asyncio.create_task(runtime.ask("WaitingModel", 1, priority=Priority.LOW))
    for timeout_s, priority in ((None, Priority.FOREGROUND), (0.05, Priority.LOW)):
        with pytest.raises(DeadlineExceeded):
            await runtime.ask("WaitingModel", 2, timeout_s, priority)
    waiting_model(runtime).go_on.set()
    assert (await held, await waits) == (0, 1)
