"""The processes of this folder's service: processes.py <pid_file> <what> [<timeout_s>].

`pid` prints the process id of the master if it runs, `workers` those of its workers, `supervisor`
that of the supervisor. `end` asks the service to end, waits, and kills what is left when the time
is over. It needs the standard library alone.

A pid file may be stale: its number may by now be another program's, and a master that was killed
leaves workers, which keep the port for a moment, and models. So what counts is a gunicorn, a
supervisor, a replica or a catalogue of this folder, in the process group that the master leads.
"""

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_CONFIGURED = b"conf/gunicorn.conf.py"  # in the command line of the master and its workers
_MASTER_S = 5.0  # how much longer than its workers the master may take


def members(leader: int) -> list[int]:
    """Return the living processes of the service whose master is or was ``leader``."""
    numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in numbers if _is_member(pid, leader)]


def _is_member(pid: int, leader: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        is_service = _CONFIGURED in command or b"model_serving." in command
        return (
            is_service and os.getpgid(pid) == leader and Path(f"/proc/{pid}/cwd").samefile(Path())
        )
    except OSError:  # It has ended, or is another user's.
        return False


def _runs(pid: int, program: bytes) -> bool:
    """Whether that is in a process's command line; a worker has the one of its master."""
    try:
        return program in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _is_supervisor(pid: int, leader: int) -> bool:
    # What it starts looks like it for a moment.
    return _runs(pid, b"serving.supervisor") and _parent(pid) == leader


def _parent(pid: int) -> int:
    try:  # See proc(5).
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def end(leader: int, timeout_s: float) -> list[int]:
    """End the service, and return which of its processes had to be killed."""
    deadline_s = time.monotonic() + timeout_s + _MASTER_S
    # A pidfd tells of the end even where nobody collects the dead process.
    processes = {}
    for pid in members(leader):
        with suppress(ProcessLookupError):
            processes[pid] = os.pidfd_open(pid)
    for pid in [leader] if leader in processes else processes:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(processes[pid], signal.SIGTERM)
    killed = []
    for pid, process in processes.items():
        left_s = max(0.0, deadline_s - time.monotonic())
        if not select.select([process], [], [], left_s)[0]:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
            killed.append(pid)
    return killed


def main(pid_file: str, command: str, timeout_s: str = "0") -> None:
    """Run one command; a missing or broken pid file names no process."""
    try:
        leader = int(Path(pid_file).read_text())
    except (OSError, ValueError):
        leader = 0
    if command == "end":
        if killed := end(leader, float(timeout_s)):
            print(f"killed what did not end within {timeout_s} s: {killed}", file=sys.stderr)
        Path(pid_file).unlink(missing_ok=True)
        return
    found = members(leader)
    if leader in found:
        parts = {
            "pid": [leader],
            "workers": [pid for pid in found if pid != leader and _runs(pid, _CONFIGURED)],
            "supervisor": [pid for pid in found if _is_supervisor(pid, leader)],
        }
        print(*parts[command])


if __name__ == "__main__":
    main(*sys.argv[1:])
