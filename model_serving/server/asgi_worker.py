"""gunicorn's worker on an event loop, with bounds on what clients may do."""

import asyncio
import logging
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gunicorn.workers.gasgi import ASGIWorker

from model_serving.config import load_config
from model_serving.server.protocol import FrontProtocol, Head
from model_serving.server.worker import ENDS

log = logging.getLogger("service")

LINGER_S = 1.0  # How long an ending worker waits for requests on connections that are kept alive.
SPARE_FILES = 256


class FrontWorker(ASGIWorker):
    """Accepts connections, looks after them, and at the end answers what it has accepted."""

    alive: bool
    loop: asyncio.AbstractEventLoop

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: set[FrontProtocol] = set()
        self.max_connections = 0
        self.heads: dict[bytes, Head] = {}
        self._settings = load_config()
        self._ending = asyncio.Event()
        self._accepting: set[asyncio.Task[Any]] = set()

    def init_signals(self) -> None:
        """Hear signals from the start: a loop that does not run yet, as of uvloop, loses them."""
        super().init_signals()
        for number, handle in self._handlers().items():
            signal.signal(number, lambda *_, handle=handle: handle())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)

    def _handlers(self) -> dict[signal.Signals, Callable[[], None]]:
        return {
            signal.SIGTERM: self.handle_exit_signal,
            signal.SIGQUIT: self.handle_quit_signal,
            signal.SIGINT: self.handle_quit_signal,
            signal.SIGABRT: self.handle_abort_signal,
            signal.SIGUSR1: self.handle_usr1_signal,
            signal.SIGWINCH: self.handle_winch_signal,
        }

    def handle_exit_signal(self) -> None:
        """Begin to end."""
        super().handle_exit_signal()
        self._ending.set()

    def handle_quit_signal(self) -> None:
        """End at once."""
        super().handle_quit_signal()
        self._ending.set()

    async def _serve(self) -> None:
        for number, handle in self._handlers().items():
            self.loop.add_signal_handler(number, handle)
        self._allow_connections()
        await self.asgi.open()
        listeners = [listener.sock for listener in self.sockets]
        for listener in listeners:
            listener.setblocking(False)
            self.loop.add_reader(listener, self._accept, listener)
        while self.alive and self.ppid == os.getppid():
            self.notify()
            for connection in list(self.connections):
                connection.check(self.loop.time())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 1.0)
        self.alive = False  # From now on each answer announces the end of its connection.
        for listener in listeners:
            self.loop.remove_reader(listener)
            while self._accept(listener):
                pass
            listener.close()
        if not self._quick_shutdown:
            await self._drain()

    def _allow_connections(self) -> None:
        """Make room for as many connections as the settings say, if the system lets us."""
        wanted = self._settings.max_connections
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = min(wanted + SPARE_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        self.max_connections = min(wanted, max(files - SPARE_FILES, files // 2))
        if self.max_connections < wanted:
            log.warning(
                "at most %d connections, not %d: the system allows %d open files",
                self.max_connections,
                wanted,
                files,
            )

    def _accept(self, listener: Any) -> bool:
        """Accept one connection: what else waits may be for the other workers."""
        try:
            connection, _ = listener.accept()
        except OSError:  # Another worker was faster, or there is nothing left to open it with.
            return False
        connection.setblocking(False)
        task = self.loop.create_task(
            self.loop.connect_accepted_socket(
                lambda: FrontProtocol(self, self._settings), connection
            )
        )
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)
        return True

    async def _drain(self) -> None:
        """Answer what has come; close what is idle, but not at once, as a request may be near."""
        started_s = self.loop.time()
        while self.connections or self._accepting:
            self.notify()
            now_s = self.loop.time()
            if now_s - started_s > self._settings.graceful_timeout_s or self._quick_shutdown:
                return
            for connection in list(self.connections):
                connection.check(now_s)
                if now_s - started_s > LINGER_S:
                    connection.end_if_idle()
            await asyncio.sleep(0.05)
