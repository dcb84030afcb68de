"""A server of RabbitMQ that can be killed and started again."""

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import amqp  # type: ignore[import-untyped]

from tests.services.needs import find, needs
from tests.services.processes import free_port, living, signal_all, tree, wait_until

# Debian's own program in the path would run it as another user, in /var.
_PLACE = "/usr/lib/rabbitmq/bin"  # What is in /usr/sbin becomes another user first.
_PROGRAM = "rabbitmq-server"
needs_rabbitmq = needs(_PROGRAM, _PROGRAM, _PLACE)


class RabbitMQ:
    """A server with its data in a folder of its own, and nothing that it shares with others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._names_port, self._nodes_port = str(free_port()), str(free_port())
        self._names: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "plugins").write_text("[].", encoding="utf-8")

    def start(self) -> None:
        """Start it, and return once it answers."""
        program = find(_PROGRAM, _PLACE)
        assert program, f"{_PROGRAM} is missing: apt-get install rabbitmq-server"
        if self._names is None:  # Else it would start one itself, and leave it.
            self._names = self._run("epmd", "-port", self._names_port, "-address", "127.0.0.1")
            wait_until(lambda: _listens(int(self._names_port)), "the names are there")
        self._process = self._run(program)
        wait_until(self._is_there, "RabbitMQ answers")

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it at once, with its children."""
        if self._process is not None and self._process.poll() is None:
            below = tree(self._process.pid)
            signal_all(below, how)
            self._process.wait()
            wait_until(lambda: not living(below), "RabbitMQ is gone")

    def end(self) -> None:
        """End all of it."""
        self.kill()
        if self._names is not None:
            self._names.kill()
            self._names.wait()

    def _is_there(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "printed").read_text(encoding="utf-8")
        try:
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=1):
                return True
        except OSError:
            return False

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        own = {
            "HOME": str(self._folder),  # for the cookie
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": self._nodes_port,
            # It would turn in circles for a while before it sleeps.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
            "ERL_EPMD_PORT": self._names_port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        with (self._folder / "printed").open("ab") as printed:
            return subprocess.Popen(
                command,
                cwd=self._folder,
                env=os.environ | own,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextmanager
def rabbitmq_server() -> Iterator[RabbitMQ]:
    """Run a server until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        server = RabbitMQ(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.end()
