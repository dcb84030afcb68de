"""The end of a process that somebody else started."""

import signal
import subprocess

from model_serving.serving.child import Process
from tests.loops import PATIENCE_S, in_loop


@in_loop
async def test_process_that_was_reaped_before_its_end_is_noted_has_ended() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        taken_over = Process(process.pid)
        process.kill()
        process.wait()
        await taken_over.end(signal.SIGTERM, PATIENCE_S)
    assert await taken_over.ended() == "ended"
