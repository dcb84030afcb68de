"""A node: replicas and a job worker, but no HTTP. ``python -m model_serving.node``.

It runs in the foreground until SIGTERM or SIGINT, and SIGHUP has it load the version on the disk.
It ends with 0 when it is told to, with 1 where a model cannot be loaded at the start, and with 2
where a setting is wrong.
"""

import logging
import os
import signal
import sys
from queue import Empty, SimpleQueue

from model_serving.config import Config, load_config
from model_serving.errors import ConfigError
from model_serving.jobs.chores import do_every
from model_serving.jobs.desk import Desk, open_desk
from model_serving.log import configure_logging
from model_serving.place import NODE_VARIABLE, ROOT
from model_serving.serving import RunDir
from model_serving.serving.status import GenerationStatus, Status, read_status
from model_serving.serving.supervision import Supervision

FAILED, WRONG = 1, 2
CATALOGUE, WORKER = "model_serving.catalogue", "model_serving.job_worker"
_LOOK_S = 1.0
_ASK_S = 5.0
_log = logging.getLogger("node")


class Node:
    """The processes of a node, and what the log tells of them."""

    def __init__(self, signals: SimpleQueue[int]) -> None:
        """Start them; ``signals`` are those that this process gets."""
        self._signals = signals
        self._supervision = Supervision(CATALOGUE, WORKER)
        self._told = ""

    def run(self) -> int:
        """Keep them running until a signal ends it, and return the exit code."""
        try:
            while True:
                match self._next_signal():
                    case signal.SIGTERM | signal.SIGINT:
                        _log.info("the node ends")
                        return 0
                    case signal.SIGHUP:  # The supervisor says so, too, once it has done it.
                        if not self._supervision.has_new_version():
                            self._supervision.reload()
                self._supervision.keep()
                known = generation()
                # Others may do what a node would take that cannot begin.
                if not self._told and (reason := why_not(known)):
                    _log.error("the node ends: %s", reason)
                    return FAILED
                self._tell(known)
        finally:
            self._supervision.end()

    def _next_signal(self) -> int | None:
        try:
            return self._signals.get(timeout=_LOOK_S)
        except Empty:
            return None

    def _tell(self, known: GenerationStatus) -> None:
        """Say which models serve, when that changes."""
        states = {replica.state for replicas in known.models.values() for replica in replicas}
        if not states or "loading" in states:
            return
        reason = why_not(known)
        if (told := reason or f"node ready: models {', '.join(known.models)}") != self._told:
            self._told = told
            _log.log(logging.ERROR if reason else logging.INFO, told)


class Outage:
    """Says when what jobs need is away, and when it is back."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._away: set[str] = set()

    def look(self) -> None:
        """Ask for the database and the broker."""
        faults = self._desk.faults()
        for name in faults.keys() - self._away:
            _log.warning("jobs wait for the %s: %s", name, faults[name])
        for name in self._away - faults.keys():
            _log.info("the %s is back", name)
        self._away = set(faults)


def generation() -> GenerationStatus:
    """Return what is known of the models of the tree to which this process belongs."""
    run_dir = RunDir.from_environment()
    known = run_dir and read_status(run_dir.status)
    return (known or Status(0)).generation(known.current if known else 0)


def why_not(known: GenerationStatus, name: str | None = None) -> str | None:
    """Return why this model, or any of them, cannot be loaded; None where that is not so."""
    for model, replicas in known.models.items():
        if name in (None, model) and all(replica.state == "failed" for replica in replicas):
            return f"{model} cannot be loaded: {replicas[0].last_error}"
    return None if known.models else known.error


def without_secrets(url: str) -> str:
    """Return where a database or a broker is; without user, password and options."""
    base, _, options = url.partition("?")
    scheme, _, rest = base.partition("://")
    # A question mark in a password would begin the options.
    return scheme if "@" in options else f"{scheme}://{rest.rpartition('@')[2]}"


def main() -> int:
    """Run the node, and return its exit code."""
    os.environ[NODE_VARIABLE] = "node"
    os.environ["RUNTIME"] = "processes"  # There is no HTTP worker in which models could run.
    signals: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: signals.put(number))
    try:
        config = load_config()
        configure_logging(config, rotates=False)
        desk = _open_desk(config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return WRONG
    do_every(_ASK_S, Outage(desk).look, "cannot look after the database and the broker")
    return Node(signals).run()


def _open_desk(config: Config) -> Desk:
    database, broker = without_secrets(config.database_url), without_secrets(config.broker_url)
    _log.info("node %d starts: database %s, broker %s", os.getpid(), database, broker)
    return open_desk(config, ROOT / "data/broker")


if __name__ == "__main__":
    sys.exit(main())
