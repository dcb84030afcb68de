"""A program beside the replicas, such as the worker of jobs: started again when it ends."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from model_serving.place import ROOT
from model_serving.serving.status import CompanionStatus

FIRST_DELAY_S, LAST_DELAY_S = 1.0, 30.0
LONG_LIFE_S = 5.0  # It has begun to work then.
END_S = 10.0
_log = logging.getLogger("supervisor")


class Companion:
    """Keeps a program running, which ends with this process, whatever ends that.

    Its argument is the descriptor of a pipe, of which this process holds the other end.
    """

    def __init__(self, module: str, variables: Mapping[str, str]) -> None:
        self._module = module
        self._variables = variables
        self._lifeline, self._own_end = os.pipe()
        self._process: asyncio.subprocess.Process | None = None
        self._is_leaving = False

    async def run(self, status: CompanionStatus, changed: Callable[[], None]) -> None:
        """Start it, again and again; one that dies soon is waited for, longer each time.

        ``status`` is kept up to date, and ``changed`` called then.
        """
        loop, delay_s = asyncio.get_running_loop(), FIRST_DELAY_S
        while not self._is_leaving:
            started_s = loop.time()
            self._process = await self._start()
            status.pid = self._process.pid
            changed()
            code = await self._process.wait()
            if loop.time() - started_s > LONG_LIFE_S:
                delay_s = FIRST_DELAY_S
            if code and not self._is_leaving:
                _log.error("%s has ended with %d; starting it again", self._module, code)
                status.restarts += 1
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, LAST_DELAY_S)

    def renew(self) -> None:
        """Let it finish what it does, and start the code that is on the disk."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    async def leave(self) -> None:
        """End it for good."""
        self._is_leaving = True
        if self._process is None:
            return
        self.renew()
        try:
            await asyncio.wait_for(self._process.wait(), END_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", self._module, str(self._lifeline)),
            cwd=ROOT,
            env=os.environ | self._variables,
            pass_fds=[self._lifeline],
            stdin=asyncio.subprocess.DEVNULL,
            preexec_fn=_hear_the_end,
        )


def _hear_the_end() -> None:
    """Let a new process end by the signal that the supervisor ignores."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
