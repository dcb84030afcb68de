"""A service with faulty models, and what can be seen of it from outside."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.services.processes import (
    PATIENCE_S,
    clean_environment,
    found_below,
    free_port,
    living,
    running,
    wait_until,
)
from tests.services.project import RESOURCES, Project, copy_project
from tests.services.traffic import Call, Reply, ask

HERE = Path(__file__).parent
FAST = ("XXXModel", "EchoModel")
GUNICORN = ["-m", "gunicorn", "--config", "conf/gunicorn.conf.py"]


@dataclass(frozen=True)
class FaultyService:
    """A running service of a copy of the project."""

    project: Project
    url: str
    pid: int
    printed: Path

    def ask(self, model: str, do: str, value: Any = None) -> Reply:
        """Have a faulty model do something."""
        return ask(self.url, Call(model, {"do": do, "value": value}))

    def together(self, model: str, *bodies: Any) -> list[Reply]:
        """Ask while the replica is stopped, so that it finds all questions waiting."""
        self.wait_for_depth(model, 0)  # What is told may be a moment old.
        with ThreadPoolExecutor(len(bodies)) as pool:
            with self.paused(model):
                calls = [Call(model, body) for body in bodies]
                futures = [pool.submit(ask, self.url, call) for call in calls]
                self.wait_for_depth(model, len(bodies))
            return [future.result() for future in futures]

    @contextmanager
    def paused(self, model: str) -> Iterator[None]:
        """Stop a model's replica until the end of the block."""
        replica = self.replica(model)
        replica.suspend()
        try:
            yield
        finally:
            with suppress(psutil.NoSuchProcess):
                replica.resume()

    def wait_for_depth(self, model: str, count: int) -> None:
        """Wait until as many requests of a model are in flight."""
        wait_until(
            lambda: self.metric("model_queue_depth", model=model) == count,
            f"{count} requests wait for {model}",
        )

    def metric(self, name: str, **labels: str) -> float:
        """Return a sum of samples."""
        text = httpx.get(f"{self.url}/metrics", timeout=PATIENCE_S, trust_env=False).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def log(self) -> str:
        """Return what is logged so far."""
        return (self.project.folder / "tmp/service.log").read_text(encoding="utf-8")

    @property
    def supervisor(self) -> psutil.Process:
        """The process that starts the replicas."""
        found = self.running("model_serving.serving.supervisor")
        # Its own children look like it until they have begun.
        (supervisor,) = [process for process in found if process.ppid() == self.pid]
        return supervisor

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that answer HTTP."""
        return [
            process for process in self.running("conf/gunicorn.conf.py") if process.pid != self.pid
        ]

    @property
    def run_dir(self) -> Path:
        """The folder by which the processes find each other."""
        command = self.supervisor.cmdline()
        return Path(command[command.index("model_serving.serving.supervisor") + 1])

    def replica(self, model: str) -> psutil.Process:
        """Return the process that serves a model; wait for it where it is just replaced."""
        folder = self.run_dir / "current" / model
        found: list[psutil.Process] = []

        def is_served() -> bool:
            sockets = [path.name for path in folder.iterdir() if path.name[0] != "."]
            with suppress(psutil.NoSuchProcess):
                found[:] = [psutil.Process(int(name.partition(".")[2])) for name in sockets]
                return bool(found) and living(found) == found
            return False

        wait_until(is_served, f"{model} has a replica")
        return found[0]

    def running(self, program: str) -> list[psutil.Process]:
        """Return the service's processes with that in their command line."""
        return found_below(self.pid, program)


def faulty_copy(
    folder: Path, names: Sequence[str], confs: Mapping[str, str] | None = None
) -> Project:
    """Copy the project, and have it serve the models of these names, faulty or shipped."""
    project = copy_project(folder)
    for room, module in (("models", "faulty_model"), ("resources", "faulty_model_resource")):
        text = (HERE / f"{module}.py").read_text(encoding="utf-8")
        text = text.replace("tests.services.faulty", "model_serving.models")
        (folder / "model_serving" / room / f"{module}.py").write_text(text, encoding="utf-8")
    project.serve(*names)
    with (folder / RESOURCES).open("a", encoding="utf-8") as resources:
        resources.write("\nfrom model_serving.resources.faulty_model_resource import *\n")
        listed = ", ".join(f"{name}Resource" for name in names)
        resources.write(f"\nRESOURCES[:] = [{listed}]\n")
    for name, conf in (confs or {}).items():
        (folder / "conf" / f"{name}.conf").write_text(conf, encoding="utf-8")
    return project


@contextmanager
def faulty_service(project: Project, **settings: str) -> Iterator[FaultyService]:
    """Run a copy, by the interpreter of the tests, until the end of the block."""
    port = free_port()
    environment = clean_environment(**{"WORKERS": "2"} | settings | {"PORT": str(port)})
    command = [sys.executable, *GUNICORN]
    try:
        with running(command, port, project.folder, environment) as server:
            yield FaultyService(project, server.url, server.process.pid, server.printed)
    finally:
        project.end()
