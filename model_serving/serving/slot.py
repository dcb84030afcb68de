"""One place among a model's replicas, which is kept filled."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from model_serving.place import PLACE_VARIABLE
from model_serving.serving.child import TOO_LONG, Child, Process, birth
from model_serving.serving.plan import LEAVE, ModelPlan, Order, Report
from model_serving.serving.run_dir import FAILURE_NAME
from model_serving.serving.status import ReplicaStatus, State

FIRST_DELAY_S, LAST_DELAY_S = 1.0, 30.0
GRACE_S = 5.0


class NotLoaded(Exception):
    """A replica did not come to serve; the message says why."""


class Slot:
    """Starts a replica, publishes its socket when it is right, and replaces it when it ends."""

    def __init__(
        self,
        plan: ModelPlan,
        status: ReplicaStatus,
        folder: Path,
        lifeline: int,
        start_timeout_s: float,
        check: Callable[[ModelPlan, list[Any]], Awaitable[str | None]],
        changed: Callable[[], None],
    ) -> None:
        self.status = status
        self.settled = asyncio.Event()
        self._plan = plan
        self._folder = folder
        self._lifeline = lifeline
        self._start_timeout_s = start_timeout_s
        self._check = check
        self._changed = changed
        self._log = logging.getLogger(plan.name)
        self._child: Process | None = Process.take_over(status.pid, status.born)

    async def keep(self) -> None:
        """Keep a replica running; one that cannot be loaded is tried again, less and less often."""
        if self._child is not None and self.status.state != "ready":
            await self.leave()  # It was to report to a supervisor that is no more.
            self._child = None
        if self._child is None:  # It may have died between two supervisors.
            self._unpublish(self.status.pid)
        delay_s = FIRST_DELAY_S
        while True:
            try:
                child = self._child or await self._start()
            except (NotLoaded, OSError) as error:
                self._log.error("replica %d is not loaded: %s", self.status.index, error)
                self._note("failed", str(error))
                self.settled.set()
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LAST_DELAY_S)
            else:
                self._log.info("replica %d (pid %d) serves", self.status.index, child.pid)
                self._note("ready")
                self.settled.set()
                delay_s = FIRST_DELAY_S
                reason = await child.ended()
                self._log.error("replica %d (pid %d) %s", self.status.index, child.pid, reason)
                self._unpublish(child.pid)
                self._note("loading", reason)
            self._child = None
            self.status.restarts += 1

    async def leave(self) -> None:
        """End the replica, which nobody uses any more."""
        if self._child is not None:
            self._unpublish(self._child.pid)
            is_ready = self.status.state == "ready"
            await self._child.end(LEAVE if is_ready else signal.SIGKILL, GRACE_S)

    async def _start(self) -> Process:
        """Start a replica, and return it once it serves.

        Raises:
            NotLoaded: it does not come to that.
        """
        plan, index = self._plan, self.status.index
        child = await Child.start(
            "model_serving.serving.replica",
            str(self._lifeline),
            plan.name,
            inherit=(self._lifeline,),
            # At most two generations run at a time.
            environ={PLACE_VARIABLE: f"{plan.name}-{index}-{int(self._folder.parent.name) % 2}"},
        )
        self._child = child
        self.status.pid, self.status.born = child.pid, birth(child.pid)
        self._note("loading", self.status.last_error)
        hidden = self._folder / f".{index}.{child.pid}"
        await child.send(
            Order(
                target=plan.target,
                conf=plan.conf,
                socket_path=str(hidden),
                instances=plan.instances,
                start_timeout_s=self._start_timeout_s,
            )
        )
        if error := await self._error_of(child):
            await child.end(signal.SIGKILL, GRACE_S)
            raise NotLoaded(error)
        hidden.rename(self._published(child.pid))
        return child

    async def _error_of(self, child: Child) -> str | None:
        try:
            report = await child.receive(Report, self._start_timeout_s + GRACE_S)
        except EOFError:
            how = await child.ended()
            too_long = f"it did not load within {self._start_timeout_s:g} s"
            return too_long if how == TOO_LONG else f"it {how} while it loaded"
        except TimeoutError:
            return f"it did not report within {self._start_timeout_s:g} s"
        return report.error or await self._check(self._plan, report.predictions)

    def _published(self, pid: int) -> Path:
        return self._folder / f"{self.status.index}.{pid}"

    def _unpublish(self, pid: int) -> None:
        self._published(pid).unlink(missing_ok=True)

    def _note(self, state: State, error: str | None = None) -> None:
        failure = self._folder / FAILURE_NAME
        try:
            if state == "ready":
                failure.unlink(missing_ok=True)
            elif state == "failed":
                failure.write_text(str(error), encoding="utf-8")
        except OSError as trouble:  # A full disk is no reason to stop serving.
            self._log.error("cannot note the failure: %s", trouble)
        if state != self.status.state:
            self.status.since = time.time()
        self.status.state = state
        self.status.last_error = error or self.status.last_error
        self._changed()
