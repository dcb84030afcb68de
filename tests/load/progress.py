"""The bar that shows how far it is, on standard error."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tqdm import tqdm

INTERVAL_S = 0.2
RATE_OVER = 5  # intervals

FORMAT = "{desc} {percentage:3.0f}%|{bar:20}|"


@asynccontextmanager
async def shown(
    title: str,
    share: Callable[[], float],
    left_s: Callable[[], float],
    requests: Callable[[], int],
    always: bool,
) -> AsyncIterator[None]:
    """Show a bar until the end of the block; where nobody looks on, only if ``always``.

    ``share`` tells how much of it is done, from 0 to 1; ``left_s`` how long the rest takes;
    ``requests`` how many have ended.
    """
    hidden = not (always or sys.stderr.isatty())
    with tqdm(total=1.0, desc=title, bar_format=FORMAT, leave=False, disable=hidden) as bar:

        async def refresh() -> None:
            counts = [(time.monotonic(), requests())]
            while True:
                await asyncio.sleep(INTERVAL_S)
                counts = [*counts[-RATE_OVER:], (time.monotonic(), requests())]
                rate = (counts[-1][1] - counts[0][1]) / (counts[-1][0] - counts[0][0])
                left = f"{max(0.0, left_s()):3.0f} s left"
                bar.n = min(1.0, share())
                bar.set_description_str(f"{title}: {rate:5.0f} requests/s, {left}")

        task = asyncio.create_task(refresh())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
