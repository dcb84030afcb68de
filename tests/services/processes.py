"""Real processes for the end-to-end tests: started, waited for, and stopped whatever happens."""

import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from model_serving.config import Config

# Far more than any step needs, so that a slow machine fails no test.
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Server:
    """A process that answers at ``url``, and the file that holds what it printed."""

    url: str
    process: subprocess.Popen[bytes]
    printed: Path

    def output(self) -> str:
        """Return what it has printed so far."""
        return self.printed.read_text(encoding="utf-8", errors="replace")


def free_port() -> int:
    """Return a port that nobody listens on, and that no outgoing connection is given by chance.

    Four processes of tests beside each other have different ones.
    """
    part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw3").removeprefix("gw")) % 4
    first = 20_000 + 2_500 * part
    for port in random.sample(range(first, first + 2_500), 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("there is no free port")


def clean_environment(**settings: str) -> dict[str, str]:
    """Return the environment with these settings of the service alone, on this machine only."""
    ours = {key.upper() for key in Config.__struct_fields__}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith("PYTHON") and name != "VIRTUAL_ENV"
    }
    return kept | {"HOST": "127.0.0.1", "WORKERS": "1"} | settings


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return once the condition holds.

    Raises:
        AssertionError: it does not come to hold in time; ``what`` names it.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"in vain waited until {what}"
        time.sleep(0.05)


def tree(pid: int) -> list[psutil.Process]:
    """Return a living process and all below it."""
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def found_below(pid: int, *words: str) -> list[psutil.Process]:
    """Return a process and those below it with these words in a row in their command line."""
    found, text = [], "\0".join(["", *words, ""])
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess):  # Some of them may just have died.
            if text in "\0".join(["", *process.cmdline(), ""]):
                found.append(process)
    return found


def job_workers(pid: int) -> list[psutil.Process]:
    """Return the workers of jobs below a process."""
    return found_below(pid, "-m", "model_serving.job_worker")


def forget_peak(process: psutil.Process) -> None:
    """Have the peak of a process's memory begin at what it has now; see proc(5)."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def peak_bytes(process: psutil.Process) -> int:
    """Return the most memory that a process has had since."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def living(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run; one that is dead may stay listed until its parent asks."""
    found = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def signal_all(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to processes, some of which may just have ended."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and kill whatever is left of it and of those below it."""
    below = tree(process.pid) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    signal_all(below[1:], signal.SIGKILL)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def started(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str], printed: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in a session of its own, and stop it at the end."""
    with printed.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


@contextmanager
def running(
    command: Sequence[str], port: int, cwd: Path, environment: Mapping[str, str]
) -> Iterator[Server]:
    """Run a command until the end of the block, which begins once ``/readyz`` answers 200.

    Raises:
        AssertionError: it does not become ready; with what it printed.
    """
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder, "output")
        with started(command, cwd, environment, printed) as process:
            server = Server(url, process, printed)
            wait_until(
                lambda: process.poll() is not None or is_ready(url), f"{url} is ready: {command}"
            )
            assert process.poll() is None, f"{command} has ended:\n{server.output()}"
            yield server


def is_ready(url: str) -> bool:
    """Ask whether all models of a service are ready."""
    try:
        return httpx.get(f"{url}/readyz", timeout=PATIENCE_S, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def works_on_jobs(url: str) -> bool:
    """Ask whether the worker of jobs has begun, and finds all it needs."""
    jobs = httpx.get(f"{url}/readyz", timeout=PATIENCE_S, trust_env=False).json()["jobs"]
    return set(jobs.values()) == {"ready"}
