"""Models in this process and in processes of their own, as one runtime."""

from collections.abc import Callable

import pytest

from model_serving.model_conf import ModelConf
from model_serving.serving import Model, ModelSpecification, RunDir
from model_serving.serving.process_runtime import ProcessRuntime
from model_serving.serving.runtime import CombinedRuntime, InProcessRuntime
from tests.loops import in_loop, until
from tests.services.processes import wait_until
from tests.serving.replicas import RunningReplica
from tests.serving.runtimes import NAME, runtime_of


class InsideModel(Model):
    """Answer where it is asked."""

    def predict(self, instances: list[str]) -> list[str]:
        return [f"inside {instance}" for instance in instances]


def combined(outside: ProcessRuntime) -> CombinedRuntime:
    inside = InProcessRuntime([ModelSpecification(InsideModel, ModelConf())])
    return CombinedRuntime(inside, outside)


def test_combined_runtime_asks_the_runtime_that_has_the_model(
    runtime: ProcessRuntime, serve: Callable[[int], RunningReplica]
) -> None:
    serve(0)
    both = combined(runtime)
    assert both.predict(NAME, ["echo", "a"]) == "a"
    assert both.predict("InsideModel", "a") == "inside a"
    with pytest.raises(KeyError):
        both.predict("NoModel", "a")


def test_combined_runtime_tells_of_all_models(
    runtime: ProcessRuntime, serve: Callable[[int], RunningReplica]
) -> None:
    both = combined(runtime)
    told = {name: state.state for name, state in both.states().items()}
    assert told == {"InsideModel": "ready", NAME: "loading", "BrokenModel": "loading"}
    serve(0)
    wait_until(lambda: both.states()[NAME].ready, "the replica is seen")


@in_loop
async def test_combined_runtime_opens_all_on_the_loop_of_the_tasks(
    run_dir: RunDir, serve: Callable[[int], RunningReplica]
) -> None:
    serve(0)
    outside = runtime_of(run_dir)
    both = combined(outside)
    assert not both.states()[NAME].ready
    await both.open()
    await until(lambda: both.states()[NAME].ready)
    assert await both.ask(NAME, ["echo", "a"]) == "a"
    assert await both.ask("InsideModel", "a") == "inside a"
    await outside.close()
