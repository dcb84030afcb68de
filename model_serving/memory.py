"""What becomes of memory that is needed no more."""

import ctypes

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE_BYTES = 4 * 1024 * 1024


def give_back_large_blocks() -> None:
    """Let glibc return blocks of 4 MiB and more at once, instead of learning to keep them.

    It would keep as much for each thread, and leave holes into which the next one may not fit. For
    a process that moves large files now and then; one that computes in large arrays would take
    twice as long, as the system clears each block that it hands out.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
