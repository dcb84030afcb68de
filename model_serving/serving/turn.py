"""Who may predict in a process that has several threads: one at a time, by priority."""

import threading

from model_serving.serving.wire import Priority


class Turn:
    """Lets one thread at a time have a model; the foreground never waits behind the background."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._is_taken = False
        self._waiting = [0] * len(Priority)

    def take(self, timeout_s: float | None, priority: Priority = Priority.FOREGROUND) -> bool:
        """Wait for the turn, without end where no time is given; return whether it came."""
        with self._condition:
            self._waiting[priority] += 1
            try:
                if not self._condition.wait_for(lambda: self._is_free(priority), timeout_s):
                    return False
                self._is_taken = True
                return True
            finally:
                self._waiting[priority] -= 1

    def give(self) -> None:
        """Let the next one have it."""
        with self._condition:
            self._is_taken = False
            self._condition.notify_all()

    def _is_free(self, priority: Priority) -> bool:
        return not self._is_taken and not any(self._waiting[:priority])
