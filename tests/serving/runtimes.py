"""A runtime in this process, whose models are in processes of their own."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from model_serving.model_conf import ModelConf, ServingSettings
from model_serving.serving import ModelSpecification, RunDir
from model_serving.serving.process_runtime import ProcessRuntime
from tests.loops import PATIENCE_S
from tests.serving.models_for_replicas import BrokenModel, ObedientModel

NAME = "ObedientModel"


def runtime_of(
    run_dir: RunDir, max_queue: int = 100, workers: int = 1, threads: int = 64
) -> ProcessRuntime:
    conf = ModelConf(serving=ServingSettings(max_queue=max_queue, timeout_s=PATIENCE_S))
    models = [ModelSpecification(model, conf) for model in (ObedientModel, BrokenModel)]
    return ProcessRuntime(models, run_dir, workers, threads)


@contextmanager
def in_background(run_dir: RunDir, **settings: int) -> Iterator[ProcessRuntime]:
    """Have a runtime with a loop in a thread of its own until the end of the block."""
    runtime, before = runtime_of(run_dir, **settings), set(threading.enumerate())
    runtime.open_in_background()
    (thread,) = set(threading.enumerate()) - before
    yield runtime
    asyncio.run_coroutine_threadsafe(runtime.close(), runtime._loop).result(PATIENCE_S)
    runtime._loop.call_soon_threadsafe(runtime._loop.stop)
    thread.join(PATIENCE_S)
    runtime._loop.close()


def value_of(metric: Any, *labels: str) -> float:
    return float(metric.labels(NAME, *labels)._value.get())


class Door:
    """What a caller leaves through."""

    def __init__(self, runtime: ProcessRuntime) -> None:
        self._loop = runtime._loop
        self._left = asyncio.Event()

    def go(self) -> None:
        """Leave."""
        self._loop.call_soon_threadsafe(self._left.set)

    async def __call__(self) -> None:
        await self._left.wait()


def asked(
    pool: ThreadPoolExecutor, runtime: ProcessRuntime, *instance: object, **more: Any
) -> "Future[Any]":
    """Ask in a thread."""
    return pool.submit(runtime.predict, NAME, list(instance), **more)
