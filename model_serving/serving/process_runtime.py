"""The runtime of the HTTP workers: models in processes of their own, asked over their sockets."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from model_serving import metrics
from model_serving.errors import BadRequest, DeadlineExceeded, ModelFailed
from model_serving.serving.admission import Admission
from model_serving.serving.registry import Registry
from model_serving.serving.run_dir import RunDir
from model_serving.serving.runtime import ModelState
from model_serving.serving.specification import ModelSpecification
from model_serving.serving.thread_client import ThreadClient
from model_serving.serving.wire import Outcome


class ProcessRuntime:
    """Predict by the replicas of the current generation, as it is when the process starts."""

    def __init__(
        self,
        specifications: Iterable[ModelSpecification],
        run_dir: RunDir,
        workers: int,
        threads: int | None,
    ) -> None:
        """Use the replicas; ``workers`` processes like this one share their queues."""
        # The descriptor stays open: it tells the supervisor that the generation is used.
        number, self._usage = run_dir.use_current()
        settings = {spec.name: spec.conf.serving for spec in specifications}
        self._timeouts_s = {name: serving.timeout_s for name, serving in settings.items()}
        self._registry = Registry(run_dir.generation(number), settings)
        self._clients = {name: ThreadClient(name, self._registry) for name in settings}
        self._admission = Admission(
            {name: max(1, serving.max_queue // workers) for name, serving in settings.items()},
            threads,
        )

    def predict(
        self,
        name: str,
        instance: Any,
        timeout_s: float | None = None,
        caller: int | None = None,
    ) -> Any:
        """Return the prediction for one instance; see ``Runtime.predict``."""
        limit_s = self._timeouts_s[name]
        deadline_s = time.monotonic() + min(limit_s, timeout_s or limit_s)
        try:
            with self._admission.admit(name):
                answer = self._clients[name].ask(instance, deadline_s, caller)
        except DeadlineExceeded:
            metrics.EXPIRED.labels(name).inc()
            raise
        match answer.outcome:
            case Outcome.PREDICTED:
                return answer.value
            case Outcome.INVALID:
                raise BadRequest(answer.value)
            case Outcome.EXPIRED:
                metrics.EXPIRED.labels(name).inc()
                raise DeadlineExceeded(f"{name} did not answer in time")
        raise ModelFailed

    def states(self) -> Mapping[str, ModelState]:
        """Return the state of every model by name."""
        return {name: self._state(name) for name in self._clients}

    def _state(self, name: str) -> ModelState:
        listing = self._registry.listing(name)
        if listing.sockets:
            return ModelState("ready")
        if listing.failure is not None:
            return ModelState("failed", listing.failure)
        return ModelState("loading")
