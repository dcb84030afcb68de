"""Call one model of a running service, and measure it.

Usage:
  bin/load [options] <model>
  bin/load -h | --help

Options:
  --url URL            Where the service is, if it is not the one that runs in this folder.
  --duration SECONDS   How long to call it [default: 10].
  --concurrency COUNT  Connections, which are kept; each calls again once it is answered
                       [default: 16].
  --rate RATE          Send so many requests per second at fixed times instead, by as many
                       connections as that takes. Latencies count from these times.
  --input FILE         Bodies of the requests, one JSON value a line, instead of the
                       model's examples.
  --timeout SECONDS    How long to wait for an answer [default: 30].
  --progress           Show the progress even where standard error is no terminal.
  -h --help            Show this text.

It ends with 1 if a request was lost: it had no HTTP answer at all. Ctrl-C ends it early.
"""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.load.bodies import Unusable, find_model, find_url, read_bodies
from tests.load.client import Load, Target, calling
from tests.load.figures import Figures, report
from tests.load.options import Options
from tests.load.progress import shown


async def measure(
    target: Target, clients: int, rate: float, duration_s: float, progress: bool
) -> Figures:
    """Call a model for some time, or until Ctrl-C, which asyncio turns into a cancellation."""
    load = Load(target)
    bar = shown(
        target.url.rpartition("/")[2],
        lambda: load.figures.duration_s / duration_s,
        lambda: duration_s - load.figures.duration_s,
        lambda: load.figures.requests,
        progress,
    )
    with suppress(asyncio.CancelledError):
        async with calling(load, clients, rate), bar:
            await asyncio.sleep(duration_s)
    return load.figures


def run(options: Options) -> Figures:
    """Find the model, call it, and print the figures."""
    duration_s = options.number("--duration")
    clients = options.count("--concurrency")
    rate = options.number("--rate") if options["--rate"] else 0.0
    bodies = read_bodies(Path(options["--input"])) if options["--input"] else None
    url = (options["--url"] or find_url(Path.cwd())).rstrip("/")
    target = find_model(url, options["<model>"], bodies, options.number("--timeout"))
    how = f"{rate:g} requests per second" if rate else f"{clients} connections"
    print(f"{target.url} by {how} for {duration_s:g} s", flush=True)
    # Where a shell started this in the background, ctrl-C would be ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    figures = asyncio.run(measure(target, clients, rate, duration_s, options["--progress"]))
    print(report(figures))
    return figures


def main(arguments: list[str]) -> None:
    """Run the command line; what is wrong with it ends in one line and a non-zero exit."""
    try:
        figures = run(Options(__doc__, arguments))
    except Unusable as error:
        sys.exit(f"load: {error}")
    sys.exit(bool(figures.losses))


if __name__ == "__main__":
    main(sys.argv[1:])
