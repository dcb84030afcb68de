"""A limit for what may hold the interpreter."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def alarm(timeout_s: float) -> Iterator[None]:
    """End the process by SIGALRM if the block takes longer, even where it holds the interpreter."""
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
