"""One peer serving one workload: started, asked for its first right answer, and stopped."""

import json
import math
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.benchmark.catalogue import HERE, MAX_BATCH_SIZE, Peer, Workload
from tests.services.processes import clean_environment, free_port, started, tree, wait_until
from tests.services.project import copy_project

TIMEOUT_S = 60.0
DIFFERENCE = 1e-3  # of floats: some peers compute with 32 bits more often than others


class NotServed(Exception):
    """The peer does not serve the workload; the message says why."""


@dataclass(frozen=True)
class Served:
    """A peer that has answered rightly."""

    url: str
    body: bytes
    start_s: float
    pid: int

    def cpu_s(self) -> float:
        """Return the processor time of all its processes so far, of those that ended too."""
        return sum(sum(process.cpu_times()[:4]) for process in tree(self.pid))

    def memory_mib(self) -> float:
        """Return its proportional set size: what is shared counts in part."""
        return sum(process.memory_full_info().pss for process in tree(self.pid)) / 2**20


def prepare(peer: Peer, folder: Path) -> None:
    """Lay out what the peer runs from, which is a copy: some write beside their code."""
    source = HERE / "peers" / peer.folder
    if peer.folder != "this_service":
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
        return
    package = copy_project(folder).folder / "model_serving"
    shutil.copy(source / "model.py", package / "models/benchmark_model.py")
    shutil.copy(source / "resource.py", package / "resources/benchmark_model_resource.py")
    shutil.copy(source / "resources.py", package / "resources/__init__.py")
    conf = f"[serving]\nreplicas = {peer.replicas}\n"
    (folder / "conf/benchmark_model.conf").write_text(conf, encoding="utf-8")


@contextmanager
def serving(
    peer: Peer, workload: Workload, programs: Path, folder: Path, weights: Path, expected: Any
) -> Iterator[Served]:
    """Serve a workload until the end of the block, which begins after the first right answer.

    Raises:
        NotServed: the peer ends, answers wrongly, or answers nothing in time.
    """
    filled = {
        "port": str(free_port()),
        "spare_port": str(free_port()),
        "max_wait_s": str(workload.max_wait_ms / 1000),
        "folder": str(folder),
    }
    program, *arguments = (word.format(**filled) for word in shlex.split(peer.command))
    environment = _environment(workload, programs, weights, filled["port"])
    environment |= {name: value.format(**filled) for name, value in peer.environment.items()}
    url = f"http://127.0.0.1:{filled['port']}{peer.path}"
    body = json.dumps(peer.to_body(workload.body())).encode()
    begun_s = time.monotonic()
    printed = folder / "printed"
    with started([str(programs / program), *arguments], folder, environment, printed) as process:
        try:
            wait_until(
                lambda: process.poll() is not None or _answers(peer, url, body, expected),
                f"{url} answers",
            )
        except AssertionError:
            raise NotServed(f"does not answer: {_last_line(printed)}") from None
        if process.poll() is not None:
            raise NotServed(f"ended: {_last_line(printed)}")
        yield Served(url, body, time.monotonic() - begun_s, process.pid)


def _environment(workload: Workload, programs: Path, weights: Path, port: str) -> dict[str, str]:
    """Return what all peers get; `workloads/served.py` reads it in their processes."""
    settings = {
        "PORT": port,
        "PYTHONPATH": str(HERE / "workloads"),
        "WORKLOAD": workload.name,
        "WEIGHTS": str(weights),
        "MAX_BATCH_SIZE": str(MAX_BATCH_SIZE),
        "MAX_WAIT_MS": str(workload.max_wait_ms),
        "OMP_NUM_THREADS": "1",  # One process predicts by one thread.
    }
    environment = clean_environment(**settings)
    return environment | {"PATH": f"{programs}:{environment['PATH']}"}


def _answers(peer: Peer, url: str, body: bytes, expected: Any) -> bool:
    headers = {"Content-Type": "application/json"}
    try:
        response = httpx.post(
            url, content=body, headers=headers, timeout=TIMEOUT_S, trust_env=False
        )
    except httpx.TransportError:
        return False
    if response.status_code != 200:  # Each has its own way to say that it is not ready.
        return False
    if not alike(peer.from_answer(response.json()), expected):
        raise NotServed(f"answers wrongly: {response.text[:200]}")
    return True


def alike(answer: Any, expected: Any) -> bool:
    """Tell whether an answer is right, but for the rounding of floats."""
    if isinstance(expected, dict):
        return (
            isinstance(answer, dict)
            and answer.keys() == expected.keys()
            and all(alike(answer[key], value) for key, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(answer, list)
            and len(answer) == len(expected)
            and all(map(alike, answer, expected))
        )
    if isinstance(expected, float):
        return math.isclose(answer, expected, rel_tol=DIFFERENCE, abs_tol=DIFFERENCE)
    return bool(answer == expected)


def _last_line(printed: Path) -> str:
    lines = printed.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"
