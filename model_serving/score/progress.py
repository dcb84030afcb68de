"""What a person sees while a file is scored: a bar on a terminal, else a line now and then."""

import time
from collections import deque
from typing import TextIO

_PERIOD_S, _LINE_S = 0.2, 5.0
_SAMPLES = 30  # one a second: the rate is that of the last half minute
_WIDTH = 24


class Progress:
    """Shows how far a file is scored. ``name`` is the model's."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self._name = name
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._shown_s = float("-inf")
        self._samples: deque[tuple[float, int, float]] = deque(maxlen=_SAMPLES)

    def show(self, done: int, failed: int, share: float, note: str = "") -> None:
        """Say how many instances are done, and which share of the file that is."""
        now_s = time.monotonic()
        if self._samples and done <= self._samples[0][1]:
            self._samples.clear()  # Nobody has begun: that time does not count.
        if not self._samples or now_s - self._samples[-1][0] >= 1:
            self._samples.append((now_s, done, share))
        if now_s - self._shown_s < (_PERIOD_S if self._is_terminal else _LINE_S):
            return
        self._shown_s = now_s
        text = f"{self._name} {share:4.0%} {self._bar(share)}{done:,} done"
        text += f", {failed:,} failed" * (failed > 0)
        first_s, first_done, first_share = self._samples[0]
        if (passed_s := now_s - first_s) >= 1 and done > first_done:
            left_s = (1 - share) * passed_s / max(share - first_share, 1e-9)
            text += f", {(done - first_done) / passed_s:,.0f}/s, {duration(left_s)} left"
        self._write(text + f" ({note})" * bool(note))

    def end(self) -> None:
        """Let others write on the terminal."""
        if self._is_terminal and self._samples:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _bar(self, share: float) -> str:
        filled = round(share * _WIDTH)
        return f"[{'#' * filled}{'.' * (_WIDTH - filled)}] " if self._is_terminal else ""

    def _write(self, text: str) -> None:
        self._stream.write(f"\r{text}\x1b[K" if self._is_terminal else f"{text}\n")
        self._stream.flush()


def duration(seconds: float) -> str:
    """Return hours, minutes and seconds: ``1:02:03`` or ``0:07``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
