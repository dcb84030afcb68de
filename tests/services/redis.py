"""A server of Redis that can be killed and started again."""

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.needs import needs
from tests.services.processes import free_port, wait_until

needs_redis = needs("redis-server", "redis-server")


class Redis:
    """A server with its data in a folder of its own, where each write is on the disk at once."""

    def __init__(self, folder: Path, host: str) -> None:
        self._folder = folder
        self._address = host, free_port()
        self.url = "redis://{}:{}/0".format(*self._address)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return once it answers."""
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: apt-get install redis-server"
        host, port = self._address
        options = ["--bind", host, "--port", str(port), "--dir", str(self._folder)]
        options += ["--protected-mode", "no"]
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        with (self._folder / "printed").open("ab") as printed:
            self._process = subprocess.Popen(
                [program, *options, *durable],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._is_there, "Redis answers")

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()

    def _is_there(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "printed").read_text(encoding="utf-8")
        try:
            with socket.create_connection(self._address) as connection:
                connection.sendall(b"PING\r\n")  # It is LOADING for a while.
                return connection.recv(100) == b"+PONG\r\n"
        except OSError:
            return False


@contextmanager
def redis_server(host: str = "127.0.0.1") -> Iterator[Redis]:
    """Run a server until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        server = Redis(Path(folder), host)
        try:
            server.start()
            yield server
        finally:
            server.kill()
