"""Runtimes: what stands between a resource and the models.

``Runtime`` is all that the floors above know of it. ``InProcessRuntime`` keeps the models in the
process that answers HTTP: for ``python main.py``, for tests and for hosts too small for more.
``ProcessRuntime``, in its own module, gives them processes of their own.
"""

import asyncio
import logging
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
from model_serving.serving.turn import Turn
from model_serving.serving.wire import Priority

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

    async def ask(
        self,
        name: str,
        instance: Any,
        timeout_s: float | None = None,
        priority: Priority = Priority.FOREGROUND,
    ) -> Any:
        """Return the prediction as ``predict`` does, to a task, which is cancelled to leave.

        What is not of the foreground is predicted when nobody of the foreground waits. It waits as
        long as it must, unless ``timeout_s`` is given, and is never refused: whoever asks bounds
        how much is in flight.
        """

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
    turn: Turn = field(default_factory=Turn)
    # Tasks wait for a thread of the model's own, so that they keep no other model from predicting;
    # there is one for each priority.
    threads: tuple[ThreadPoolExecutor, ...] = field(
        default_factory=lambda: tuple(ThreadPoolExecutor(1) for _ in Priority)
    )


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
        limit_s = self._slots[name].timeout_s
        return self._predict(name, instance, min(limit_s, timeout_s or limit_s))

    def _predict(
        self,
        name: str,
        instance: Any,
        limit_s: float | None,
        priority: Priority = Priority.FOREGROUND,
    ) -> Any:
        slot = self._slots[name]
        if slot.model is None:
            raise ModelNotReady(f"{name} is not ready")
        if not slot.turn.take(limit_s, priority):
            raise DeadlineExceeded(f"{name} did not answer in time")
        try:
            prediction = predict_batch(slot.model, [instance])[0]
        finally:
            slot.turn.give()
        if isinstance(prediction, InvalidInstance):
            raise BadRequest(prediction.reason)
        try:
            return msgspec.to_builtins(prediction, builtin_types=(bytes,), enc_hook=self._publish)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ModelFailed from error

    async def ask(
        self,
        name: str,
        instance: Any,
        timeout_s: float | None = None,
        priority: Priority = Priority.FOREGROUND,
    ) -> Any:
        """Return the prediction; see ``Runtime.ask``. What has not begun is taken back."""
        slot, limit_s = self._slots[name], timeout_s
        if priority is Priority.FOREGROUND:
            limit_s = min(slot.timeout_s, timeout_s or slot.timeout_s)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit_s):
                return await loop.run_in_executor(
                    slot.threads[priority], self._predict, name, instance, limit_s, priority
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

    async def ask(
        self,
        name: str,
        instance: Any,
        timeout_s: float | None = None,
        priority: Priority = Priority.FOREGROUND,
    ) -> Any:
        """Return the prediction; see ``Runtime.ask``."""
        return await self._runtimes[name].ask(name, instance, timeout_s, priority)

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
