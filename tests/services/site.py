"""nginx before two instances of an installed project, and load on them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.services.faulty.service import GUNICORN
from tests.services.nginx import nginx
from tests.services.processes import Server, clean_environment, free_port, running, wait_until
from tests.services.project import Project
from tests.services.traffic import Call, ask

LEO = Call("XXXModel", {"name": "Leo"})
CALLERS = 8


@dataclass
class Site:
    """nginx, and the instances by the names of their log folders."""

    project: Project
    stack: ExitStack
    ports: dict[str, int]
    instances: dict[str, Server] = field(default_factory=dict)
    front: Server = field(init=False)

    def start(self, name: str) -> None:
        """Start an instance; wait until it is ready."""
        port = self.ports[name]
        environment = clean_environment(PORT=str(port), LOG_DIR=f"tmp/{name}", LOG_CONSOLE="false")
        command = [self.project.python, *GUNICORN]
        self.instances[name] = self.stack.enter_context(
            running(command, port, self.project.folder, environment)
        )

    def log(self) -> str:
        """Return the lines of all instances."""
        files = [self.project.folder / "tmp" / name / "service.log" for name in self.ports]
        return "".join(file.read_text(encoding="utf-8") for file in files)

    def access_log(self) -> str:
        """Return the lines of nginx."""
        return (self.project.folder / "tmp/nginx/access.log").read_text(encoding="utf-8")


@contextmanager
def running_site(project: Project) -> Iterator[Site]:
    """Run it until the end of the block."""
    with ExitStack() as stack:
        site = Site(project, stack, {"a": free_port(), "b": free_port()})
        for name in site.ports:
            site.start(name)
        addresses = [f"127.0.0.1:{port}" for port in site.ports.values()]
        site.front = stack.enter_context(nginx(project, *addresses))
        yield site


@contextmanager
def load(site: Site) -> Iterator[Callable[[], None]]:
    """Call until the end of the block; every call must be answered 200.

    Yields what waits until there have been many more calls.
    """
    statuses: list[int] = []
    done = threading.Event()

    def call() -> None:
        while not done.is_set():
            statuses.append(ask(f"{site.front.url}/api", LEO).status)

    def go_on() -> None:
        wanted = len(statuses) + 300
        wait_until(
            lambda: len(statuses) >= wanted or any(future.done() for future in futures),
            "there are more calls",
        )

    with ThreadPoolExecutor(CALLERS) as pool:
        futures = [pool.submit(call) for _ in range(CALLERS)]
        try:
            yield go_on
        finally:
            done.set()
        for future in futures:
            future.result()
    assert set(statuses) == {200}
