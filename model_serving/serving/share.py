"""How much of the time a replica gives to the background while callers are served beside it."""

import os
import time
from pathlib import Path

from model_serving.figures import shared_numbers

FILE = "calls"  # in the folder of the figures
RECENT_S = 0.25
_LEAST = 0.05  # so that jobs come to their end
_LESS, _MORE = 0.5, 1.1
_WAITED = 0.1  # of the time on a processor and before it: from here on, others want it, too
_ACCOUNT = Path("/proc/self/schedstat")


class Calls:
    """When a replica of the service last answered a caller; they all know, by a shared file."""

    def __init__(self, path: Path | None = None) -> None:
        """Use the file, which is made where there is none; without a path, know of one's own."""
        self._last_s = shared_numbers(path, 1)

    def note(self) -> None:
        """Note that one is answered now."""
        self._last_s[0] = time.monotonic()

    @property
    def are_recent(self) -> bool:
        """Whether there was one just now."""
        return time.monotonic() - self._last_s[0] < RECENT_S


class Share:
    """The rests between batches of the background, so that these take what callers leave idle.

    The scheduler could know such a batch as idle work, but without privileges a process that says
    so does not come back. So a replica looks how long it waited for a processor. While others want
    them, too, it rests after each of these batches, longer and longer; once it need not wait, less
    and less. It rests only while there are calls, to any model of the service, and never where one
    waits for it.
    """

    def __init__(self, calls: Calls, account: Path = _ACCOUNT) -> None:
        """Rest while there are ``calls``; ``account`` is the kernel's, of this process."""
        self._calls = calls
        self._share = 1.0
        self._until_s = self._owed_s = 0.0
        self._used_s = _LEAST * RECENT_S  # by the last batch; at first, a guess
        try:
            self._account = os.open(account, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # Not every kernel keeps it: then others always want a processor.
            self._account = -1
        self._known = self._read()

    @property
    def left_s(self) -> float:
        """How long to rest now, 0 where there is no need; then ask again."""
        if not self._calls.are_recent:
            return 0.0
        return min(RECENT_S, max(0.0, self._until_s - time.monotonic()))

    @property
    def is_due(self) -> bool:
        """Whether the background goes first now, as callers have kept it waiting for too long."""
        return self._owed_s > self._used_s * (1 / _LEAST - 1)

    def skip(self, taken_s: float) -> None:
        """Note that the background waited while a batch of callers took so long."""
        self._owed_s += taken_s

    def observe(self, taken_s: float) -> None:
        """Learn from a batch of the background that has just ended."""
        known, self._known = self._known, self._read()
        ran_s, waited_s = (now_s - then_s for now_s, then_s in zip(self._known, known, strict=True))
        is_alone = self._account >= 0 and waited_s <= _WAITED * (ran_s + waited_s)
        self._share *= _MORE if is_alone else _LESS
        self._share = min(1.0, max(_LEAST, self._share))
        # For the rest of the time, others had the processor.
        self._used_s = max(ran_s, taken_s - waited_s)
        self._until_s = time.monotonic() + self._used_s * (1 / self._share - 1)
        self._owed_s = 0.0

    def _read(self) -> tuple[float, float]:
        """Return how long it ran, and how long it waited to; see proc(5)."""
        if self._account < 0:
            return 0.0, 0.0
        ran_ns, waited_ns, _ = map(int, os.pread(self._account, 100, 0).split())
        return ran_ns / 1e9, waited_ns / 1e9
