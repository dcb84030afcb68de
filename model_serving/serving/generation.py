"""A generation: one version of code, settings and weights, with all its replicas."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import msgspec

from model_serving.place import PLACE_VARIABLE
from model_serving.serving.agreement import difference
from model_serving.serving.child import Child
from model_serving.serving.plan import Check, Contents, ModelPlan, Verdict
from model_serving.serving.run_dir import GenerationDir
from model_serving.serving.slot import GRACE_S, Slot
from model_serving.serving.status import GenerationStatus, ReplicaStatus

CATALOGUE_TIMEOUT_S = 120.0


class Refused(Exception):
    """A version does not come to serve; the message says why."""


class Generation:
    """Loads what the catalogue lists, and keeps it running until nobody uses it."""

    def __init__(
        self,
        folder: GenerationDir,
        status: GenerationStatus,
        catalogue: str,
        lifeline: int,
        changed: Callable[[], None],
    ) -> None:
        """Know nothing yet; ``catalogue`` is the module to ask."""
        self.status = status
        self._folder = folder
        self._catalogue_module = catalogue
        self._lifeline = lifeline
        self._changed = changed
        self._contents = Contents()
        self._is_loading = False
        self._catalogue: Child | None = None
        self._asking = asyncio.Lock()
        self._slots: list[Slot] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def load(self, group: asyncio.TaskGroup, is_checked: bool = False) -> None:
        """Start all replicas, and return when each has come to serve or failed for once.

        ``is_checked``: whether the HTTP side is tried as well.

        Raises:
            Refused: there is no list of models.
        """
        self._is_loading = True
        await self._open_catalogue(*["check"] * is_checked)
        self.status.error = None
        self.status.models = {
            plan.name: [ReplicaStatus(index) for index in range(plan.conf.serving.replicas)]
            for plan in self._contents.models
        }
        self._save_plan()
        self._keep(group)
        for slot in self._slots:
            await slot.settled.wait()
        self._is_loading = False
        await self._close_catalogue()

    def take_over(self, group: asyncio.TaskGroup) -> bool:
        """Go on with the replicas of a supervisor before this one; False: it had none yet."""
        try:
            plan = self._folder.plan.read_bytes()
        except FileNotFoundError:
            return False
        self._contents = msgspec.msgpack.decode(plan, type=Contents)
        self._keep(group)
        return True

    def errors(self) -> list[str]:
        """Return why replicas do not serve."""
        return [
            f"{name}: {replica.last_error}"
            for name, replicas in self.status.models.items()
            for replica in replicas
            if replica.state != "ready"  # It may be tried again already.
        ]

    async def until_unused(self) -> None:
        """Wait until no HTTP worker holds the generation any more."""
        unused = asyncio.Event()
        reader = os.open(self._folder.users, os.O_RDONLY | os.O_NONBLOCK)
        # The end of the last writer is the event; without this one there may never have been any.
        os.close(os.open(self._folder.users, os.O_WRONLY))
        loop = asyncio.get_running_loop()
        loop.add_reader(reader, unused.set)
        try:
            await unused.wait()
        finally:
            loop.remove_reader(reader)
            os.close(reader)

    async def leave(self) -> None:
        """End all replicas."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(slot.leave() for slot in self._slots), self._close_catalogue())

    def _keep(self, group: asyncio.TaskGroup) -> None:
        self._slots = [
            Slot(
                plan,
                status,
                self._folder.sockets(plan.name),
                self._lifeline,
                self._contents.start_timeout_s,
                self._check,
                self._changed,
            )
            for plan in self._contents.models
            for status in self.status.models[plan.name]
        ]
        self._tasks = [group.create_task(slot.keep()) for slot in self._slots]

    async def _check(self, plan: ModelPlan, predictions: list[Any]) -> str | None:
        """Say what is wrong with a replica's predictions for the examples."""
        async with self._asking:
            if plan.predictions is None:
                error = await self._ask(Check(plan.name, predictions))
                if error is None:
                    plan.predictions = predictions
                    self._save_plan()
                return error
        if error := difference(plan.predictions, predictions):
            return f"not the predictions of the replicas before: {error}"
        return None

    async def _ask(self, check: Check) -> str | None:
        try:
            catalogue = self._catalogue or await self._open_catalogue()
            await catalogue.send(check)
            return (await catalogue.receive(Verdict, CATALOGUE_TIMEOUT_S)).error
        except (Refused, EOFError, TimeoutError) as error:
            await self._close_catalogue()
            return f"its examples cannot be checked: {error or type(error).__name__}"
        finally:
            if not self._is_loading:
                await self._close_catalogue()

    async def _open_catalogue(self, *arguments: str) -> Child:
        catalogue = self._catalogue = await Child.start(
            self._catalogue_module, *arguments, environ={PLACE_VARIABLE: "catalogue"}
        )
        try:
            contents = await catalogue.receive(Contents, CATALOGUE_TIMEOUT_S)
            error = contents.error
        except EOFError:
            error = f"the catalogue {await catalogue.ended()}"
        except TimeoutError:
            error = f"the resources are not imported within {CATALOGUE_TIMEOUT_S:g} s"
        if error:
            await self._close_catalogue()
            raise Refused(error)
        if not self._contents.models:
            self._contents = contents
        return catalogue

    async def _close_catalogue(self) -> None:
        catalogue, self._catalogue = self._catalogue, None
        if catalogue is not None:
            await catalogue.end(signal.SIGKILL, GRACE_S)

    def _save_plan(self) -> None:
        new = self._folder.plan.with_suffix(".new")
        new.write_bytes(msgspec.msgpack.encode(self._contents))
        new.replace(self._folder.plan)
