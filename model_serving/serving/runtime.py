"""Runtimes: what stands between a resource and the models.

``Runtime`` is all that the floors above know of it. ``InProcessRuntime`` keeps the models in the
process that answers HTTP: for ``python main.py``, for tests and for hosts too small for more.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from model_serving.errors import BadRequest, ConfigError, DeadlineExceeded, ModelNotReady
from model_serving.serving.model import InvalidInstance, Model, predict_batch
from model_serving.serving.specification import ModelSpecification


@dataclass(frozen=True)
class ModelState:
    """Whether a model answers, and if not, why."""

    ready: bool
    reason: str | None = None


class Runtime(Protocol):
    """Predict with models by their names, and say which of them are ready."""

    def predict(self, name: str, instance: Any) -> Any:
        """Return the prediction for one instance.

        Raises:
            BadRequest: the model refused the instance.
            ModelFailed: the model raised, or broke its contract.
            ModelNotReady: the model is not loaded.
            DeadlineExceeded: the model did not answer within its ``timeout_s``.
        """

    def states(self) -> Mapping[str, ModelState]:
        """Return the state of every model by name."""


@dataclass
class _Slot:
    timeout_s: float
    model: Model | None = None
    state: ModelState = ModelState(ready=False, reason="loading")
    # A model is called by one thread at a time, as it is in a process of its own.
    lock: threading.Lock = field(default_factory=threading.Lock)


class InProcessRuntime:
    """Run every model in this process, one call of each at a time.

    A model that does not load is logged and leaves the others serving. A predict that never returns
    cannot be stopped here; the callers that wait behind it get ``DeadlineExceeded``.
    """

    def __init__(self, specifications: Iterable[ModelSpecification]) -> None:
        """Load all models, and return when the last one is ready or has failed.

        Raises:
            ConfigError: a model's settings are wrong.
        """
        self._slots = {spec.name: self._load(spec) for spec in specifications}

    @staticmethod
    def _load(specification: ModelSpecification) -> _Slot:
        log = logging.getLogger(specification.name)
        slot = _Slot(timeout_s=specification.conf.serving.timeout_s)
        try:
            slot.model = specification.build()
            slot.state = ModelState(ready=True)
            log.info("loaded")
        except ConfigError:
            raise
        except (Exception, SystemExit) as error:
            slot.state = ModelState(ready=False, reason=f"{type(error).__name__}: {error}")
            log.exception("cannot be loaded")
        return slot

    def predict(self, name: str, instance: Any) -> Any:
        """Return the prediction for one instance; see ``Runtime.predict``."""
        slot = self._slots[name]
        if slot.model is None:
            raise ModelNotReady(f"{name} is not ready")
        if not slot.lock.acquire(timeout=slot.timeout_s):
            raise DeadlineExceeded(f"{name} did not answer within {slot.timeout_s:g} s")
        try:
            prediction = predict_batch(slot.model, [instance])[0]
        finally:
            slot.lock.release()
        if isinstance(prediction, InvalidInstance):
            raise BadRequest(prediction.reason)
        return prediction

    def states(self) -> Mapping[str, ModelState]:
        """Return the state of every model by name."""
        return {name: slot.state for name, slot in self._slots.items()}
