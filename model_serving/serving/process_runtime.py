"""The runtime of the HTTP workers: models in processes of their own, asked over their sockets."""

import asyncio
import math
import os
import threading
import time
from collections.abc import Coroutine, Iterable, Mapping
from contextvars import Context
from functools import partial
from typing import Any

import uvloop

from model_serving import metrics
from model_serving.errors import (
    BadRequest,
    CallerLeft,
    DeadlineExceeded,
    ModelFailed,
    StorageFailed,
    StorageFull,
)
from model_serving.serving.admission import shares
from model_serving.serving.client import Client
from model_serving.serving.registry import Registry
from model_serving.serving.run_dir import RunDir
from model_serving.serving.runtime import Leave, ModelState
from model_serving.serving.specification import ModelSpecification
from model_serving.serving.wire import Answer, Outcome, Priority


class ProcessRuntime:
    """Predict by the replicas of the current generation, as it is when the process starts.

    All that is asked goes over one event loop: the HTTP worker's own, or one in the background.
    """

    def __init__(
        self,
        specifications: Iterable[ModelSpecification],
        run_dir: RunDir,
        workers: int,
        threads: int,
    ) -> None:
        """Use the replicas; ``workers`` processes like this one share their queues."""
        # The descriptor stays open: it tells the supervisor that the generation is used.
        self._number, self._usage = run_dir.use_current()
        self._run_dir = run_dir
        self._folder = run_dir.generation(self._number)
        settings = {spec.name: spec.conf.serving for spec in specifications}
        self._timeouts_s = {name: serving.timeout_s for name, serving in settings.items()}
        self._shares = shares(
            {name: max(1, serving.max_queue // workers) for name, serving in settings.items()},
            threads,
        )
        self._registry: Registry | None = None
        self._clients: dict[str, Client] = {}

    async def open(self) -> None:
        """Work on the running loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._registry = Registry(self._folder, self._timeouts_s)
        self._clients = {name: Client(name, self._registry) for name in self._timeouts_s}

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop on which it works."""
        return self._loop

    @property
    def is_current(self) -> bool:
        """Whether no newer generation has taken over; who keeps an old one keeps its replicas."""
        return self._run_dir.current() == self._number

    async def close(self) -> None:
        """Hang up, and use the generation no more; the end of a process does the same."""
        for client in self._clients.values():
            client.close()
        if self._registry is not None:
            self._registry.close()
        await asyncio.sleep(0)  # The transports close in the loop's next round.
        os.close(self._usage)

    def open_in_background(self) -> None:
        """Work on a loop in a thread of its own, which ends with the process."""
        loop = uvloop.new_event_loop()
        threading.Thread(target=loop.run_forever, name="replica clients", daemon=True).start()
        asyncio.run_coroutine_threadsafe(self.open(), loop).result()

    def predict(
        self, name: str, instance: Any, timeout_s: float | None = None, leave: Leave | None = None
    ) -> Any:
        """Return the prediction for one instance; see ``Runtime.predict``."""
        asking = self.ask(name, instance, timeout_s, in_thread=True)
        if leave is not None:
            asking = _unless(leave, asking)
        # In a context of its own: a connection opened now would keep the caller's request.
        ask = partial(asyncio.run_coroutine_threadsafe, asking, self._loop)
        return Context().run(ask).result()

    async def ask(
        self,
        name: str,
        instance: Any,
        timeout_s: float | None = None,
        priority: Priority = Priority.FOREGROUND,
        *,
        in_thread: bool = False,
    ) -> Any:
        """Return the prediction, on the loop; see ``Runtime.ask``."""
        if priority is not Priority.FOREGROUND:
            deadline_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
            answer = await self._clients[name].ask(instance, deadline_s, priority)
            return _prediction_of(name, answer)
        limit_s = self._timeouts_s[name]
        deadline_s = time.monotonic() + min(limit_s, timeout_s or limit_s)
        share = self._shares[name]
        entered_s = share.enter(in_thread)
        try:
            return _prediction_of(name, await self._clients[name].ask(instance, deadline_s))
        except DeadlineExceeded:
            metrics.EXPIRED.labels(name).inc()
            raise
        finally:
            share.leave(entered_s, in_thread)

    def states(self) -> Mapping[str, ModelState]:
        """Return the state of every model by name."""
        return {name: self._state(name) for name in self._timeouts_s}

    def _state(self, name: str) -> ModelState:
        if self._registry is None:
            return ModelState("loading")
        listing = self._registry.listing(name)
        if listing.sockets:
            return ModelState("ready")
        if listing.failure is not None:
            return ModelState("failed", listing.failure)
        return ModelState("loading")


def _prediction_of(name: str, answer: Answer) -> Any:
    match answer.outcome:
        case Outcome.PREDICTED:
            return answer.value
        case Outcome.INVALID:
            raise BadRequest(answer.value)
        case Outcome.EXPIRED:
            raise DeadlineExceeded(f"{name} did not answer in time")
        case Outcome.FULL:
            raise StorageFull
        case Outcome.UNSTORED:
            raise StorageFailed
    raise ModelFailed


async def _unless(leave: Leave, asking: Coroutine[Any, Any, Any]) -> Any:
    """Return what was asked, unless the caller leaves before."""
    asked, left = asyncio.ensure_future(asking), asyncio.ensure_future(leave())
    try:
        await asyncio.wait((asked, left), return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            raise CallerLeft
        return asked.result()
    finally:
        asked.cancel()
        left.cancel()
