"""bin/nginx.sh of an installed project."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.services.needs import find, needs
from tests.services.processes import (
    PATIENCE_S,
    Server,
    clean_environment,
    free_port,
    started,
    wait_until,
)
from tests.services.project import Project

NGINX = find("nginx")
needs_nginx = needs("nginx", "nginx")


@contextmanager
def nginx(project: Project, *upstreams: str) -> Iterator[Server]:
    """Run it before these instances, else the running service, until the end of the block.

    Raises:
        AssertionError: it does not start; with what it printed.
    """
    port = free_port()
    environment = clean_environment() | {"NGINX_HOST": "127.0.0.1", "NGINX_PORT": str(port)}
    if upstreams:
        environment["UPSTREAMS"] = " ".join(upstreams)
    with answering([str(project.folder / "bin/nginx.sh")], port, environment) as server:
        yield server


@contextmanager
def answering(command: Sequence[str], port: int, environment: dict[str, str]) -> Iterator[Server]:
    """Run a server until the end of the block, which begins once it answers.

    Raises:
        AssertionError: it ends before; with what it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder, "output")
        with started(command, Path("/"), environment, printed) as process:
            server = Server(f"http://127.0.0.1:{port}", process, printed)
            wait_until(lambda: process.poll() is not None or answers(server.url), "nginx answers")
            assert process.poll() is None, server.output()
            yield server


def answers(url: str) -> bool:
    """Whether somebody answers there at all."""
    try:
        return httpx.get(url, timeout=PATIENCE_S, trust_env=False).status_code > 0
    except httpx.TransportError:
        return False
