"""End processes: end.py <timeout_s> <pid>...

Asks each to end by SIGTERM, waits, and kills those that are left when the time is over; then it
says so and ends with 1. It needs the standard library alone.
"""

import os
import select
import signal
import sys
import time


def end(pids: list[int], timeout_s: float) -> list[int]:
    """End the processes, and return which of them had to be killed."""
    deadline_s = time.monotonic() + timeout_s
    killed = []
    for pid, process in _asked(pids):
        # A pidfd tells of the end even where nobody collects the dead process.
        left_s = max(0.0, deadline_s - time.monotonic())
        if not select.select([process], [], [], left_s)[0]:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            killed.append(pid)
    return killed


def _asked(pids: list[int]) -> list[tuple[int, int]]:
    asked = []
    for pid in pids:
        try:
            process = os.pidfd_open(pid)
            signal.pidfd_send_signal(process, signal.SIGTERM)
        except ProcessLookupError:
            continue
        asked.append((pid, process))
    return asked


if __name__ == "__main__":
    if killed := end([int(pid) for pid in sys.argv[2:]], float(sys.argv[1])):
        sys.exit(f"killed what did not end within {sys.argv[1]} s: {killed}")
