"""A replica with work of the background beside another process on the same processor."""

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from model_serving.serving.share import FILE, RECENT_S, Calls
from model_serving.serving.wire import Priority
from tests.serving.replicas import Replicas, line_to


def test_replica_leaves_a_processor_to_others_while_there_are_calls(tmp_path: Path) -> None:
    with ExitStack() as stack:
        replica = Replicas(tmp_path, stack, tmp_path).start()
        rival = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        stack.callback(rival.wait)
        stack.callback(rival.kill)
        processor = {min(os.sched_getaffinity(0))}
        for pid in (replica.process.pid, rival.pid):
            os.sched_setaffinity(pid, processor)
        line = stack.enter_context(line_to(replica))

        def answered_in() -> float:
            started_s = time.monotonic()
            line.ask(*[["burn", 0.002]] * 30, priority=Priority.LOW)
            line.answers(30)
            return time.monotonic() - started_s

        unhindered_s = min(answered_in() for _ in range(3))
        over = threading.Event()
        calls = threading.Thread(target=_call_until, args=(over, Calls(tmp_path / FILE)))
        calls.start()
        stack.callback(calls.join)
        stack.callback(over.set)
        assert answered_in() > 1.5 * unhindered_s


def _call_until(over: threading.Event, calls: Calls) -> None:
    while not over.wait(RECENT_S / 10):
        calls.note()
