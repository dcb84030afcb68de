"""The service that is put to the test: its scripts, and its processes from outside."""

import asyncio
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from model_serving.config import Config
from model_serving.place import RUN_DIR_VARIABLE
from model_serving.serving.run_dir import RunDir
from model_serving.serving.status import ReplicaStatus, read_status
from tests.load.bodies import Unusable, find_model, find_url
from tests.load.client import Target
from tests.services.processes import PATIENCE_S, free_port
from tests.services.project import Project

# The names of the model that bounds the capacity of a copy: see faults_model.py.
FAULTS_MODEL, FAULTS_FILE = "FaultsModel", "model_serving/resources/faults_model_resource.py"
WORKERS = "2"
LIST = "model_serving/resources/__init__.py"


class Unexpected(Exception):
    """The service did not do what it must; the message says what."""


class Service:
    """A project's service, as its scripts and its status file show it."""

    def __init__(self, project: Project, url: str, is_own: bool, lane: str) -> None:
        """Take the service at ``url``; ``is_own`` tells whether it may be stopped and broken."""
        self.lane = lane
        self.project = project
        self.url = url
        self.is_own = is_own

    def script(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a script of ``bin/`` to its end, with the settings of the start."""
        port = self.url.rpartition(":")[2]
        return self.project.run(name, PORT=port, WORKERS=WORKERS, HTTP_WORKER=self.lane)

    def start(self) -> None:
        """Start it, if it does not run.

        Raises:
            Unexpected: it does not come to run.
        """
        started = self.script("start.sh")
        if started.returncode:
            raise Unexpected(f"bin/start.sh: {last_line(started.stderr)}")

    def change_to(self, lane: str) -> None:
        """Have it started on this lane."""
        if lane != self.lane:
            self.script("stop.sh")
            self.lane = lane

    def pids(self, part: str) -> list[int]:
        """Return the process ids of a part: pid, workers or supervisor."""
        command = ["python3", "bin/processes.py", "tmp/gunicorn.pid", part]
        told = subprocess.run(
            command, cwd=self.project.folder, capture_output=True, text=True, check=True
        )
        return [int(pid) for pid in told.stdout.split()]

    def run_dir(self) -> RunDir:
        """Return the folder by which the processes of the service find each other.

        Raises:
            Unexpected: there is no supervisor, whose environment names it.
        """
        for pid in self.pids("supervisor"):
            return RunDir(Path(psutil.Process(pid).environ()[RUN_DIR_VARIABLE]))
        raise Unexpected("the service has no supervisor")


def last_line(text: str) -> str:
    """Return the line that says what came of it."""
    return text.strip().rpartition("\n")[2]


def ready_replicas(run_dir: RunDir, model: str) -> list[ReplicaStatus]:
    """Return the replicas of a model that serve in the current generation."""
    status = read_status(run_dir.status)
    replicas = status.generation(status.current).models.get(model, []) if status else []
    return [replica for replica in replicas if replica.state == "ready"]


def client_ports(worker: int) -> set[int]:
    """Return the other ends of the connections that an HTTP worker has accepted."""
    connections = psutil.Process(worker).net_connections("tcp")
    return {connection.raddr.port for connection in connections if connection.raddr}


async def until(condition: Callable[[], bool], what: str) -> None:
    """Return once the condition holds.

    Raises:
        Unexpected: it does not come to hold in time; ``what`` names it.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(condition):
        if time.monotonic() > deadline_s:
            raise Unexpected(f"in vain waited until {what}")
        await asyncio.sleep(0.02)


@contextmanager
def running_service(folder: Path) -> Iterator[Service]:
    """Take the service that runs in a folder, and leave it there.

    Raises:
        Unusable: none runs.
    """
    project = Project(folder)
    service = Service(project, find_url(folder), False, "")
    if not service.pids("pid"):
        raise Unusable("no service runs in this folder: bin/start.sh, or go without --running")
    service.lane = _lane(project)
    yield service


def _lane(project: Project) -> str:
    command = [project.python, "-m", "model_serving.config", "http_worker"]
    environment = project.master.environ()
    return subprocess.check_output(command, cwd=project.folder, env=environment, text=True).strip()


@contextmanager
def own_service(folder: Path) -> Iterator[Service]:
    """Copy a project, to be started and broken, and remove all of it at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="faults-") as parent:
        project = Project(Path(parent).resolve() / "project")
        ignored = shutil.ignore_patterns(".*", "tmp", "__pycache__")
        shutil.copytree(folder, project.folder, ignore=ignored)
        _add_model(project.folder)
        project.lend_environment(".venv", "requirements.txt")
        try:
            yield Service(project, f"http://127.0.0.1:{free_port()}", True, Config().http_worker)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Whoever is impatient leaves nothing.
            project.run("stop.sh")
            project.end()


def _add_model(folder: Path) -> None:
    shutil.copy(Path(__file__).with_name("faults_model.py"), folder / FAULTS_FILE)
    (folder / "conf/faults_model.conf").write_text(
        "[serving]\nmax_batch_size = 8\nmax_queue = 64\n", encoding="utf-8"
    )
    with (folder / LIST).open("a", encoding="utf-8") as listed:
        module = FAULTS_FILE.removesuffix(".py").replace("/", ".")
        listed.write(f"\nfrom {module} import FaultsModelResource\n")
        listed.write("RESOURCES.append(FaultsModelResource)\n")


def faults_target(service: Service, like: Target) -> Target:
    """Return how to call the slow model of a copy."""
    return find_model(service.url, FAULTS_MODEL, None, like.timeout_s)
