"""A process below the supervisor, started by it or by a supervisor before it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from model_serving.place import ROOT
from model_serving.serving.wire import HEADER_BYTES, encode

TOO_LONG = "took too long and was killed"

Message = TypeVar("Message")


class Process:
    """A process, and its end; it may have been started by somebody else."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[str] = loop.create_future()
        loop.add_reader(self._pidfd, self._note_end)

    @classmethod
    def take_over(cls, pid: int, born: int) -> "Process | None":
        """Return the process that a supervisor before this one started, if it still runs."""
        with suppress(ProcessLookupError):
            return Process(pid) if pid and birth(pid) == born else None
        return None

    async def ended(self) -> str:
        """Wait for the end, and say how it came."""
        return await asyncio.shield(self._ended)

    async def end(self, number: signal.Signals, grace_s: float) -> None:
        """Signal the process, wait, and kill it if it takes longer."""
        if self._ended.done():
            return
        self._signal(number)
        try:
            async with asyncio.timeout(grace_s):
                await self.ended()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.ended()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # Its end may not be noted yet.
            signal.pidfd_send_signal(self._pidfd, number)

    def _note_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._ended.set_result(self._how_it_ended())

    def _how_it_ended(self) -> str:
        return "ended"  # Only a parent learns more.


class Child(Process):
    """A process started here, with a channel to it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        super().__init__(process.pid)
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(
        cls,
        module: str,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        inherit: tuple[int, ...] = (),
    ) -> "Child":
        """Run ``python -m module channel arguments...`` with the descriptors to ``inherit``."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno()), *arguments],
                cwd=ROOT,
                env={**os.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *inherit),
            )
        return cls(process, *await asyncio.open_connection(sock=ours))

    async def send(self, message: Any) -> None:
        """Send a message over the channel; an ended process misses it."""
        with suppress(ConnectionError):
            self._writer.write(encode(message))
            await self._writer.drain()

    async def receive(self, kind: type[Message], timeout_s: float) -> Message:
        """Return the next message that comes over the channel.

        Raises:
            EOFError: the process has ended, or is about to.
            TimeoutError: none comes in time.
        """
        async with asyncio.timeout(timeout_s):
            try:
                header = await self._reader.readexactly(HEADER_BYTES)
                body = await self._reader.readexactly(int.from_bytes(header))
            except ConnectionError as error:
                raise EOFError from error
        return msgspec.msgpack.decode(body, type=kind)

    def _how_it_ended(self) -> str:
        self._writer.close()
        status = self._process.wait()
        if status == -signal.SIGALRM:
            return TOO_LONG
        if status < 0:
            return f"was killed by {signal.Signals(-status).name}"
        return f"exited with code {status}"


def birth(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; proc(5), /proc/pid/stat."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except FileNotFoundError:
        return 0
