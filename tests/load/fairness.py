"""Show what synchronous callers notice of jobs, and what is left for these.

Usage:
  bin/fairness [options] [<pair>...]
  bin/fairness -h | --help

A <pair> is the model that is called, and that of the jobs: DigitsModel:XXXModel.

Options:
  --phases COUNT    How often to call without jobs, and with them [default: 10].
  --phase SECONDS   How long each time [default: 2].
  --part SHARE      How much of what the model answers per second is asked, at fixed times
                    [default: 0.25]; and then all, by connections that call again at once.
  -h --help         Show this text.

It starts a copy of the service. Latencies in ms, each the median of the phases'; instances of jobs
per second, while the model is called and while nobody calls.
"""

import asyncio
import signal
import sys
from pathlib import Path
from statistics import median

from tests.load.background import TIMEOUT_S, resting
from tests.load.bodies import Unusable, find_model
from tests.load.comparison import Comparison, call
from tests.load.options import Options
from tests.load.service import Service, Unexpected, own_service

PAIRS = (
    "XXXModel:XXXModel",
    "DigitsModel:DigitsModel",
    "DigitsModel:XXXModel",
    "XXXModel:DigitsModel",
)
WARM_UP_S = 2.0
COLUMNS = ("p50", "p50 jobs", "p99", "p99 jobs", "ratio", "jobs/s", "alone/s")


def line(called: str, job_model: str, load: str, figures: list[str]) -> str:
    """Return a line of the table."""
    return f"{called:<15}{job_model:<15}{load:<9}" + "".join(f"{each:>9}" for each in figures)


def measure(service: Service, pair: str, options: Options) -> None:
    """Print what jobs of a model do to the calls of one, at each load."""
    called, _, job_model = pair.partition(":")
    phases, phase_s = options.count("--phases"), options.number("--phase")
    target, jobs = (find_model(service.url, name, None, TIMEOUT_S) for name in (called, job_model))
    with resting(jobs, service.pids("pid")[0]) as background:
        call(target, WARM_UP_S)
        part = options.number("--part") * call(target, WARM_UP_S).rate()
        alone = background.rate(phase_s)
        for rate in (part, 0.0):
            compared = Comparison(background, target, phase_s, rate)
            for _ in range(phases):
                compared.go_on()
            told = [f"{ms:.2f}" for ms in compared.percentiles_ms()]
            rates = [f"{median(compared.job_rates):.0f}", f"{alone:.0f}"]
            load = f"{rate:.0f}/s" if rate else "full"
            print(line(called, job_model, load, [*told, f"{compared.ratio:.2f}", *rates]))
            sys.stdout.flush()


def main(arguments: list[str]) -> None:
    """Run the command line; what is wrong with it ends in one line and a non-zero exit."""
    # These end it as Ctrl-C does, with all that it started.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        options = Options(__doc__, arguments)
        with own_service(Path.cwd()) as service:
            service.start()
            print(line("called", "jobs of", "load", list(COLUMNS)), flush=True)
            for pair in options["<pair>"] or PAIRS:
                measure(service, pair, options)
    except (Unusable, Unexpected) as error:
        sys.exit(f"fairness: {error}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("fairness: interrupted")


if __name__ == "__main__":
    main(sys.argv[1:])
