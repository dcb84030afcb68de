"""Parts of a whole that come one by one, put together to what is handled at once."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Part = TypeVar("Part")


def together(
    parts: Iterable[Part], count: int, size_bytes: int, size: Callable[[Part], int]
) -> Iterator[list[Part]]:
    """Put parts together, at most ``count`` and, if there are several, so many bytes.

    ``size`` tells the bytes of a part.
    """
    held, held_bytes = list[Part](), 0
    for part in parts:
        if held and (held_bytes + size(part) > size_bytes or len(held) == count):
            yield held
            held, held_bytes = [], 0
        held.append(part)
        held_bytes += size(part)
    if held:
        yield held
