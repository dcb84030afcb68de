"""The supervisor: starts, watches, restarts and reloads the replicas.

A program of its own, started by gunicorn's master and ended with it:
``python -m model_serving.serving.supervisor <run folder> <catalogue> <lifeline>``. It loads no code
of models. When it dies, the replicas go on and its successor takes them over.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from model_serving.config import load_config
from model_serving.files import SWEEP_S, open_assets
from model_serving.log import configure_logging, rotate
from model_serving.place import PLACE_VARIABLE
from model_serving.serving.companion import Companion
from model_serving.serving.generation import Generation, Refused
from model_serving.serving.run_dir import RunDir
from model_serving.serving.slot import LAST_DELAY_S
from model_serving.serving.status import GenerationStatus, Status, read_status, write_status

ROTATE_S = 5.0  # How often the size of the log file is looked at.
_log = logging.getLogger("supervisor")


class Supervisor:
    """Keeps the current generation running, and brings in new ones."""

    def __init__(
        self, run_dir: RunDir, catalogue: str, lifeline: int, companion: Companion | None = None
    ) -> None:
        """Prepare; ``lifeline`` is a pipe that ends when gunicorn's master does.

        ``companion`` runs beside the replicas, and is renewed with them.
        """
        self._companion = companion
        self._run_dir = run_dir
        self._catalogue = catalogue
        self._lifeline = lifeline
        self._master = os.getppid()
        self._status = read_status(run_dir.status) or Status(run_dir.current())
        self._generations: dict[int, Generation] = {}
        self._retiring: list[asyncio.Task[None]] = []
        self._reload = asyncio.Event()

    async def run(self) -> None:
        """Work until gunicorn's master is gone, and leave nothing behind."""
        master_gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._lifeline, master_gone.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(group))
            await master_gone.wait()
            loop.remove_reader(self._lifeline)
            leaving = [generation.leave() for generation in self._generations.values()]
            if self._companion is not None:
                leaving.append(self._companion.leave())
            await asyncio.gather(*leaving)
            self._run_dir.remove()
            sys.exit()

    async def _work(self, group: asyncio.TaskGroup) -> None:
        await self._take_over(group)
        if self._status.current not in self._generations:
            await self._start(group)
        if self._companion is not None:
            group.create_task(self._companion.run(self._status.companion, self._changed))
        while True:
            await self._reload.wait()
            self._reload.clear()
            await self._load_new(group)

    async def _take_over(self, group: asyncio.TaskGroup) -> None:
        """Go on where a supervisor before this one was killed."""
        reload = self._status.reload
        if reload.is_running:
            reload.is_running, reload.error = False, "the supervisor was killed meanwhile"
        for status in self._status.generations:
            generation = self._generation(status)
            if not generation.take_over(group):
                del self._generations[status.number]
            elif status.number > self._status.current:
                await self._give_up(generation)
            elif status.number < self._status.current:
                group.create_task(self._retire(generation))
        self._changed()

    async def _start(self, group: asyncio.TaskGroup) -> None:
        """Load the first generation; a model that fails leaves the others serving."""
        generation = self._generation(GenerationStatus(self._status.current))
        while True:
            try:
                return await generation.load(group)
            except Refused as error:
                _log.error("nothing can be served: %s", error)
                generation.status.error = str(error)
                self._changed()
            await asyncio.sleep(LAST_DELAY_S)

    async def _load_new(self, group: asyncio.TaskGroup) -> None:
        """Load the version that is on the disk; unless all of it serves, the old one stays."""
        reload = self._status.reload
        reload.number += 1
        reload.is_running, reload.error = True, None
        self._changed()
        _log.info("reload %d: loading the new version", reload.number)
        old = self._generations[self._status.current]
        # Two versions at a time are all that fits into memory.
        await asyncio.gather(*self._retiring)
        new = self._generation(GenerationStatus(old.status.number + 1))
        self._run_dir.make_generation(new.status.number)
        try:
            await new.load(group, is_checked=True)
            if errors := new.errors():
                raise Refused("; ".join(errors))
        except Refused as error:
            _log.error("reload %d: refused, the old one keeps serving: %s", reload.number, error)
            await self._give_up(new)
            reload.error = str(error)
        else:
            self._run_dir.make_current(new.status.number)
            self._status.current = new.status.number
            os.kill(self._master, signal.SIGHUP)  # It replaces the HTTP workers.
            if self._companion is not None:
                self._companion.renew()
            self._retiring.append(group.create_task(self._retire(old)))
            _log.info("reload %d: the new version serves", reload.number)
        reload.is_running = False
        self._changed()

    async def _retire(self, generation: Generation) -> None:
        """Let a generation go once nobody uses it."""
        await generation.until_unused()
        await self._give_up(generation)

    async def _give_up(self, generation: Generation) -> None:
        await generation.leave()
        del self._generations[generation.status.number]
        self._run_dir.remove_generation(generation.status.number)
        self._changed()

    def _generation(self, status: GenerationStatus) -> Generation:
        folder = self._run_dir.generation(status.number)
        generation = Generation(folder, status, self._catalogue, self._lifeline, self._changed)
        self._generations[status.number] = generation
        return generation

    def _changed(self) -> None:
        self._status.generations = [known.status for known in self._generations.values()]
        try:
            write_status(self._run_dir.status, self._status)
        except OSError as error:  # A full disk is no reason to stop serving.
            _log.error("cannot write the status: %s", error)


def main(run_dir: str, catalogue: str, lifeline: str, companion: str = "") -> None:
    """Supervise the models of the service that uses this folder."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Terminals and platforms send these to all processes; HTTP workers still need the replicas.
        signal.signal(number, signal.SIG_IGN)
    configure_logging(load_config())
    asyncio.run(_run(RunDir(Path(run_dir)), catalogue, int(lifeline), companion))


async def _run(run_dir: RunDir, catalogue: str, lifeline: int, companion: str) -> None:
    rotating = asyncio.create_task(_rotate_log())
    # A folder or bucket that hangs must not keep the supervisor from ending.
    threading.Thread(target=_sweep_assets, daemon=True).start()
    beside = Companion(companion, {PLACE_VARIABLE: "jobs-0"}) if companion else None
    await Supervisor(run_dir, catalogue, lifeline, beside).run()
    rotating.cancel()


async def _rotate_log() -> None:
    while True:
        rotate()
        await asyncio.sleep(ROTATE_S)


def _sweep_assets() -> None:
    assets = open_assets(load_config())
    while True:
        assets.sweep()
        time.sleep(SWEEP_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
