"""The processes that do the work: those of the service of this folder, or some of its own."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from model_serving.config import load_config
from model_serving.errors import Unavailable
from model_serving.log import configure_logging, log_path
from model_serving.node import CATALOGUE, WORKER, generation, why_not
from model_serving.place import NODE_VARIABLE, ROOT, RUN_DIR_VARIABLE
from model_serving.serving import RunDir
from model_serving.serving.supervision import Supervision

_CONSOLE = ROOT / "tmp/score-console.log"  # What the processes print.


def has_service(environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether this process has the environment of a service that works on jobs."""
    run_dir = RunDir.from_environment(environ)
    return run_dir is not None and load_config().runtime == "processes"


def prepare() -> bool:
    """Set up this process's logging, and return whether it needs a tree of its own."""
    is_alone = not has_service()
    if is_alone:
        os.environ.pop(RUN_DIR_VARIABLE, None)
        os.environ |= {NODE_VARIABLE: "score", "RUNTIME": "processes"}
    os.environ["LOG_CONSOLE"] = "false"
    configure_logging(load_config(), rotates=False)
    return is_alone


@contextmanager
def at_work(model: str, is_alone: bool) -> Iterator[Callable[[], None]]:
    """Have processes at work until the end of the block, and give a check that they are."""
    if not is_alone:
        yield lambda: _check(model)
        return
    _CONSOLE.parent.mkdir(exist_ok=True)
    with _CONSOLE.open("ab") as console:
        supervision = Supervision(CATALOGUE, WORKER, output=console.fileno())

        def check() -> None:
            supervision.keep()
            _check(model)

        try:
            yield check
        finally:
            supervision.end()


def _check(model: str) -> None:
    """Make sure that somebody can do the work.

    Raises:
        Unavailable: nobody can; with the reason.
    """
    run_dir = RunDir.from_environment()
    if run_dir is None or not run_dir.path.exists():
        raise Unavailable("the service has been stopped")
    if reason := why_not(generation(), model):
        raise Unavailable(f"{reason} (see {log_path(load_config())})")
