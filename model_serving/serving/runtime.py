"""Runtimes: what stands between a resource and the models.

``Runtime`` is all that the floors above know of it. ``InProcessRuntime`` keeps the models in the
process that answers HTTP: for ``python main.py``, for tests and for hosts too small for more.
``ProcessRuntime``, in its own module, gives them processes of their own.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from model_serving.errors import (
    BadRequest,
    ConfigError,
    DeadlineExceeded,
    ModelFailed,
    ModelNotReady,
)
from model_serving.serving.model import InvalidInstance, Model, predict_batch
from model_serving.serving.specification import ModelSpecification
from model_serving.serving.status import State

Leave = Callable[[], Awaitable[object]]
Publish = Callable[[object], str]


@dataclass(frozen=True)
class ModelState:
    """Whether a model answers, and if it failed to load, why."""

    state: State
    reason: str | None = None

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        return self.state == "ready"


class Runtime(Protocol):
    """Predict with models by their names, and say which of them are ready."""

    def predict(
        self,
        name: str,
        instance: Any,
        timeout_s: float | None = None,
        leave: Leave | None = None,
    ) -> Any:
        """Return the prediction for one instance.

        ``timeout_s`` is how long to wait for it, where that is less than the model's own;
        ``leave`` waits, on an event loop, until the caller leaves.

        Raises:
            BadRequest: the model refused the instance.
            CallerLeft: the caller closed its connection meanwhile.
            DeadlineExceeded: the answer did not come in time.
            ModelFailed: the model raised, or broke its contract, or died of the instance.
            ModelNotReady: the model is not loaded.
            Overloaded: too many requests are in flight.
        """

    async def ask(self, name: str, instance: Any, timeout_s: float | None = None) -> Any:
        """Return the prediction as ``predict`` does, to a task, which is cancelled to leave."""

    async def open(self) -> None:
        """Work on the running event loop from now on."""

    def open_in_background(self) -> None:
        """Work on an event loop in a thread of its own, which ends with the process."""

    def states(self) -> Mapping[str, ModelState]:
        """Return the state of every model by name."""


@dataclass
class _Slot:
    timeout_s: float
    model: Model | None = None
    state: ModelState = ModelState("loading")
    # A model is called by one thread at a time, as it is in a process of its own.
    lock: threading.Lock = field(default_factory=threading.Lock)
    # Tasks wait for a thread of the model's own, so that they keep no other model from predicting.
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))


class InProcessRuntime:
    """Run every model in this process, one call of each at a time.

    A model that does not load is logged and leaves the others serving. A predict that never returns
    cannot be stopped here; the callers that wait behind it get ``DeadlineExceeded``.
    """

    def __init__(
        self, specifications: Iterable[ModelSpecification], publish: Publish | None = None
    ) -> None:
        """Load all models, and return when the last one is ready or has failed.

        ``publish`` gives what is no plain data in a prediction, which is a file, its URL.

        Raises:
            ConfigError: a model's settings are wrong.
        """
        self._publish = publish
        self._slots = {spec.name: self._load(spec) for spec in specifications}

    @staticmethod
    def _load(specification: ModelSpecification) -> _Slot:
        log = logging.getLogger(specification.name)
        slot = _Slot(timeout_s=specification.conf.serving.timeout_s)
        try:
            slot.model = specification.build()
            slot.state = ModelState("ready")
            log.info("loaded")
        except ConfigError:
            raise
        except (Exception, SystemExit) as error:
            slot.state = ModelState("failed", f"{type(error).__name__}: {error}")
            log.exception("cannot be loaded")
        return slot

    def predict(
        self,
        name: str,
        instance: Any,
        timeout_s: float | None = None,
        leave: Leave | None = None,
    ) -> Any:
        """Return the prediction for one instance; see ``Runtime.predict``."""
        slot = self._slots[name]
        if slot.model is None:
            raise ModelNotReady(f"{name} is not ready")
        if not slot.lock.acquire(timeout=min(slot.timeout_s, timeout_s or slot.timeout_s)):
            raise DeadlineExceeded(f"{name} did not answer in time")
        try:
            prediction = predict_batch(slot.model, [instance])[0]
        finally:
            slot.lock.release()
        if isinstance(prediction, InvalidInstance):
            raise BadRequest(prediction.reason)
        try:
            return msgspec.to_builtins(prediction, builtin_types=(bytes,), enc_hook=self._publish)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ModelFailed from error

    async def ask(self, name: str, instance: Any, timeout_s: float | None = None) -> Any:
        """Return the prediction as ``predict`` does; what has not begun is taken back."""
        slot = self._slots[name]
        limit_s = min(slot.timeout_s, timeout_s or slot.timeout_s)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit_s):
                return await loop.run_in_executor(
                    slot.thread, self.predict, name, instance, limit_s
                )
        except TimeoutError:
            raise DeadlineExceeded(f"{name} did not answer in time") from None

    async def open(self) -> None:
        """Threads do all of it."""

    def open_in_background(self) -> None:
        """Threads do all of it."""

    def states(self) -> Mapping[str, ModelState]:
        """Return the state of every model by name."""
        return {name: slot.state for name, slot in self._slots.items()}


class CombinedRuntime:
    """Several runtimes, each with models of its own, as one."""

    def __init__(self, *runtimes: Runtime) -> None:
        self._all = runtimes
        self._runtimes = {name: runtime for runtime in runtimes for name in runtime.states()}

    def predict(
        self,
        name: str,
        instance: Any,
        timeout_s: float | None = None,
        leave: Leave | None = None,
    ) -> Any:
        """Return the prediction for one instance; see ``Runtime.predict``."""
        return self._runtimes[name].predict(name, instance, timeout_s, leave)

    async def ask(self, name: str, instance: Any, timeout_s: float | None = None) -> Any:
        """Return the prediction as ``predict`` does."""
        return await self._runtimes[name].ask(name, instance, timeout_s)

    async def open(self) -> None:
        """Work on the running event loop from now on."""
        for runtime in self._all:
            await runtime.open()

    def open_in_background(self) -> None:
        """Work on an event loop in a thread of its own."""
        for runtime in self._all:
            runtime.open_in_background()

    def states(self) -> Mapping[str, ModelState]:
        """Return the state of every model by name."""
        return {name: runtime.states()[name] for name, runtime in self._runtimes.items()}
