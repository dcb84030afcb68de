"""What a service of jobs is made of, each part of which can be killed: processes and servers."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import psutil

from tests.load.bodies import Unusable
from tests.services.hosts import HERE, Host
from tests.services.postgres import postgres_server
from tests.services.processes import (
    clean_environment,
    free_port,
    is_ready,
    living,
    stop,
    wait_until,
)
from tests.services.project import copy_project
from tests.services.rabbitmq import RabbitMQ, rabbitmq_server
from tests.services.redis import Redis, redis_server

BROKERS: dict[str, Callable[[], AbstractContextManager[Redis | RabbitMQ]]] = {
    "redis": redis_server,
    "rabbitmq": rabbitmq_server,
}
ENGINES = ("filesystem", *BROKERS)
DATABASES = ("sqlite", "postgresql")
COMMAND = [sys.executable, "-m", "gunicorn", "--config", "conf/gunicorn.conf.py"]
YIELDS = "        _yield_to_others()\n"


class Killable(Protocol):
    """A server."""

    def start(self) -> None:
        """Start it, and return once it answers."""

    def kill(self, how: signal.Signals) -> None:
        """End it at once."""


class Site:
    """A service, and the servers that it uses."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        servers: Mapping[str, Killable],
        host: Host = HERE,
    ) -> None:
        """Take a project's folder; ``servers`` are named as in the service's messages."""
        port = free_port()
        self.url = f"http://{host.address}:{port}"
        self._command = [*host.prefix, *COMMAND]
        self.servers = servers
        self.folder = folder
        self._environment = clean_environment(HOST=host.address, PORT=str(port), **settings)
        self._process: subprocess.Popen[bytes] | None = None

    def victims(self) -> list[str]:
        """Return the names of what can be killed."""
        return ["worker", "supervisor", "replica", "http", "tree", *self.servers]

    def start(self) -> None:
        """Start the service, and return once it is ready."""
        with (self.folder / "printed").open("ab") as printed:
            process = self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(lambda: process.poll() is not None or is_ready(self.url), "the service is ready")
        assert process.poll() is None, (self.folder / "printed").read_text(encoding="utf-8")

    def stop(self) -> None:
        """Stop the service."""
        if self._process is not None:
            stop(self._process)

    def kill(self, victim: str) -> None:
        """Kill a process, and return once it has a successor; or all of them, and start anew."""
        if victim == "tree":
            self.kill_all()
            self.start()
            return
        wait_until(lambda: bool(self.found(victim)), f"there is a {victim}")
        killed = self.found(victim)[0]
        killed.kill()
        wait_until(
            lambda: any(each != killed for each in self.found(victim)),
            f"the {victim} has a successor",
        )

    def count(self, victim: str) -> int:
        """Return how many processes there are of a kind."""
        return len(self.found(victim))

    def kill_all(self) -> None:
        """Kill the whole tree."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        wait_until(lambda: not self._processes(), "the killed processes are gone")

    @contextmanager
    def away(self, name: str) -> Iterator[None]:
        """Kill a server, which is started again at the end of the block."""
        self.servers[name].kill(signal.SIGKILL)
        try:
            yield
        finally:
            self.servers[name].start()

    def found(self, victim: str) -> list[psutil.Process]:
        """Return the processes of a kind."""
        return [each for each in self._processes() if _is(each, victim)]

    def _processes(self) -> list[psutil.Process]:
        """Return those of the service: replicas whose supervisor was killed have no parent."""
        assert self._process is not None
        group = self._process.pid
        return living([each for each in psutil.process_iter() if _group(each.pid) == group])


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _is(process: psutil.Process, victim: str) -> bool:
    modules = {
        "worker": "model_serving.job_worker",
        "supervisor": "model_serving.serving.supervisor",
    }
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    if victim in modules:
        return words[1:3] == ["-m", modules[victim]]
    if victim == "replica":
        return words[-1:] == ["XXXModel"]
    return "gunicorn" in words and process.pid != _group(process.pid)  # Not the master.


def copy_of(folder: Path) -> Path:
    """Copy this project, with one model, and a worker that works on a busy machine, too."""
    project = copy_project(folder)
    project.serve("XXXModel")  # The others take long to start, and nobody calls them.
    worker = project.folder / "model_serving/job_worker.py"
    text = worker.read_text(encoding="utf-8")
    assert YIELDS in text
    # Whatever else is tested at the same time may leave nothing to it.
    worker.write_text(text.replace(YIELDS, "        pass\n"), encoding="utf-8")
    return project.folder


@contextmanager
def job_site(engine: str, database: str) -> Iterator[Site]:
    """Start a copy of the project with servers of its own, and end all at the end of the block.

    Raises:
        Unusable: there is no such engine or database.
    """
    if engine not in ENGINES:
        raise Unusable(f"--engine={engine}: allowed are {', '.join(ENGINES)}")
    if database not in DATABASES:
        raise Unusable(f"--database={database}: allowed are {', '.join(DATABASES)}")
    servers: dict[str, Killable] = {}
    settings = {}
    with ExitStack() as stack:
        parent = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="job-faults-")))
        if engine != "filesystem":
            broker = stack.enter_context(BROKERS[engine]())
            servers["broker"], settings["BROKER_URL"] = broker, broker.url
        if database == "postgresql":
            postgres = stack.enter_context(postgres_server())
            servers["database"] = postgres
            settings["DATABASE_URL"] = postgres.new_database("jobs")
        site = Site(copy_of(parent / "project"), settings, servers)
        stack.callback(site.stop)
        site.start()
        yield site
