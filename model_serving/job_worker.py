"""The job worker: does the chunks of jobs by the replicas of this machine.

A program of its own, started by the supervisor and ended with it:
``python -m model_serving.job_worker <lifeline>``. Beside HTTP it takes what is idle: the
scheduler gives it the processor only where nobody else wants it.
"""

import asyncio
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from functools import partial

import uvloop

from model_serving.config import Config, load_config
from model_serving.files import SWEEP_S as FILES_S
from model_serving.files import open_job_assets
from model_serving.jobs.callback import Sender
from model_serving.jobs.chores import do_every
from model_serving.jobs.delivery import Delivery
from model_serving.jobs.engine import FOLDER, Engine
from model_serving.jobs.limits import read_limits
from model_serving.jobs.presence import Presence
from model_serving.jobs.record import Record, open_record
from model_serving.jobs.report import Reports
from model_serving.jobs.shift import Shift
from model_serving.jobs.upkeep import UNSERVED_S
from model_serving.jobs.watch import Reporter
from model_serving.jobs.work import Work
from model_serving.log import configure_logging
from model_serving.place import NODE_VARIABLE, ROOT
from model_serving.served import create_runtime, create_scorers, specifications
from model_serving.serving import RunDir
from model_serving.serving.runtime import Runtime

SWEEP_S = 5.0
SPARE_S = 600.0  # The clocks of machines differ.
CALLBACKS_S = 1.0
LAST_CALLBACKS_S = 5.0
END_S = 10.0
_BATCHES = 2  # in flight at a time, so that a replica has the next one while it predicts


def main(lifeline: str) -> None:
    """Work until the lifeline ends, or SIGTERM comes."""
    config = load_config()
    configure_logging(config, rotates=False)
    if NODE_VARIABLE not in os.environ:
        _yield_to_others()
    run_dir = RunDir.from_environment()
    if run_dir is None:
        sys.exit("a job worker works beside replicas")
    threading.Thread(target=_end_with, args=(int(lifeline),), daemon=True).start()
    lock = os.open(run_dir.path / "jobs.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)  # One that a killed supervisor has left ends first.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _work(config, run_dir)


def _work(config: Config, run_dir: RunDir) -> None:
    runtime = create_runtime(config, publish=open_job_assets(config).publish)
    loop = _begin(runtime)
    scorers = create_scorers(config, runtime)
    sizes = {spec.name: spec.conf.serving.max_batch_size for spec, _ in specifications()}
    record = open_record(config.database_url, limits := read_limits(config))
    engine = Engine(config.broker_url, ROOT / "data/broker")
    work = Work(record.claims, scorers, lambda name: _BATCHES * sizes[name], loop, limits.stale_s)
    delivery = Delivery(record, Sender(config.callback_secret.encode(), config.callback_private))
    finish = partial(delivery.finish, LAST_CALLBACKS_S)
    shift = Shift(engine, work, record.upkeep, _presence(run_dir), finish)
    Reporter(Reports(run_dir.jobs), record, engine, scorers).start()
    begun_s = time.monotonic()
    do_every(SWEEP_S, lambda: _sweep(record, scorers, begun_s), "cannot look after the jobs")
    do_every(FILES_S, lambda: sweep_files(record, config), "cannot look after the files of jobs")
    do_every(CALLBACKS_S, delivery.begin, "cannot send callbacks")
    shift.serve(is_seen=config.broker_url != FOLDER)


def _begin(runtime: Runtime) -> asyncio.AbstractEventLoop:
    """Let the runtime work on an event loop in a thread of its own."""
    loop = uvloop.new_event_loop()
    threading.Thread(target=loop.run_forever, name="scoring", daemon=True).start()
    asyncio.run_coroutine_threadsafe(runtime.open(), loop).result()
    return loop


def _presence(run_dir: RunDir) -> Presence:
    try:
        return Presence(ROOT / "data/workers")
    except OSError:  # Where all else is on servers, the folder need not be writable.
        return Presence(run_dir.path / "workers")


def _sweep(record: Record, served: Collection[str], begun_s: float) -> None:
    record.upkeep.free_left()
    if time.monotonic() - begun_s > UNSERVED_S:  # Nobody may have been there to serve anything.
        record.upkeep.end_unserved(served)
    record.upkeep.remove_old()


def sweep_files(record: Record, config: Config) -> None:
    """Remove the files that are older than all jobs that are kept."""
    open_job_assets(config, record.upkeep.oldest_s() + SPARE_S).sweep()


def _end_with(lifeline: int) -> None:
    with suppress(OSError):
        os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_S)
    os._exit(1)  # Its successor waits for it.


def _yield_to_others() -> None:
    with suppress(OSError):
        os.nice(10)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    main(*sys.argv[1:])
