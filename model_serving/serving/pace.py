"""How much of the background's work a replica does at once."""

_PATIENCE = 1.5  # How long a batch may take, measured by the time of one instance alone.
_UNNOTICED_S = 0.0005  # It may always take so long.
_FAVOUR = 0.25  # How much longer a batch of the foreground may take for it, measured likewise.
# Of the newest time in the average. What takes longer may have waited for a busy processor: less is
# nearer to the truth.
_WEIGHT_OF_LESS, _WEIGHT_OF_MORE = 0.5, 0.05
_FORGOTTEN = 0.001  # of what more instances take, with each that is predicted alone


class Pace:
    """How large a batch with the background may be, learnt from how long batches take.

    Who comes while it is predicted waits for its end. So it takes about as long as one instance
    alone: the full batch where a call is dear and instances are cheap, one where each costs the
    same. In between, and up to half a millisecond, it is as large as fits. Where a call is dear,
    the background also fills the batches of the foreground, which may keep the model busy all the
    time.
    """

    def __init__(self, max_batch_size: int) -> None:
        self._max_batch_size = max_batch_size
        self._largest = 1
        self._one_s: float | None = None
        self._more_s: float | None = None  # for each instance after the first

    def observe(self, count: int, taken_s: float, has_background: bool) -> None:
        """Learn from a batch."""
        if has_background and count > self._largest:
            self._largest = count
        if count == 1:
            self._one_s = _average(self._one_s, taken_s)
            if self._more_s is not None:
                self._more_s *= 1 - _FORGOTTEN  # So that two are tried again, some day.
        elif self._one_s is not None:
            more_s = max(0.0, taken_s - self._one_s) / (count - 1)
            self._more_s = _average(self._more_s, more_s)

    def start_again(self) -> None:
        """Begin with small batches, as one has failed."""
        self._largest = 1

    def size(self, foreground: int) -> int:
        """How many instances the next batch may have, with so many of the foreground in it.

        At first it doubles with each, and so it does after one has failed.
        """
        if self._one_s is None:
            return 1
        most = min(2 * self._largest, self._max_batch_size)
        if not self._more_s:
            return most
        if foreground:
            fitting = foreground + _FAVOUR * self._one_s / self._more_s
        else:
            spare_s = max(_UNNOTICED_S, _PATIENCE * self._one_s) - self._one_s
            fitting = 1 + spare_s / self._more_s
        return max(1, int(min(most, fitting)))


def _average(known_s: float | None, newest_s: float) -> float:
    if known_s is None:
        return newest_s
    weight = _WEIGHT_OF_LESS if newest_s < known_s else _WEIGHT_OF_MORE
    return known_s + weight * (newest_s - known_s)
