"""What a worker does beside the jobs, now and then, each in a thread of its own."""

import logging
import threading
from collections.abc import Callable

from model_serving.errors import ServiceError

_log = logging.getLogger("jobs")


def do_every(
    period_s: float, chore: Callable[[], None], name: str, bell: threading.Event | None = None
) -> None:
    """Do a chore at once and then again and again, until the process ends.

    It is done before its time where ``bell`` is set. What fails, as where the database is away, is
    logged and tried again.
    """
    bell = bell or threading.Event()
    threading.Thread(target=_keep_doing, args=(period_s, chore, name, bell), daemon=True).start()


def _keep_doing(
    period_s: float, chore: Callable[[], None], name: str, bell: threading.Event
) -> None:
    while True:
        try:
            chore()
        except ServiceError as error:
            _log.warning("%s: %s", name, error)
        except Exception:  # A chore that ended for a defect would be missed much later.
            _log.exception("%s", name)
        bell.wait(period_s)
        bell.clear()
