"""Compare this service with other ways to serve the same models, on this machine, in one run.

Usage:
  bin/benchmark [options]
  bin/benchmark -h | --help

Options:
  --peers LIST      Which to compare, separated by commas [default: all]:
                    {peers};
                    or growth: this service with more processes.
  --workloads LIST  What they serve [default: all]:
                    {workloads}.
  --rounds COUNT    How often each serves each workload, in turns. From the second round on, also
                    at fixed rates [default: 3].
  --seconds COUNT   How long one load takes [default: 5].
  --out FOLDER      Where report.md, chart.svg and results.json go [default: tmp/benchmark].
  --from FILE       Measure nothing: make the report and the chart of this results.json.
  -h --help         Show this text.

It takes 25 to 40 minutes; the first time it also makes an environment for each peer in
.venv-benchmark. Ctrl-C ends it early, with a report of what is measured so far.
"""

import dataclasses
import datetime
import os
import platform
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TypeVar

import msgspec
import psutil
from tqdm import tqdm

from model_serving import __version__
from tests.benchmark import results as results_file
from tests.benchmark.campaign import Campaign, how_called
from tests.benchmark.catalogue import GROWTH, PEERS, WORKLOADS, Peer, Workload
from tests.benchmark.chart import svg
from tests.benchmark.environments import versions_of
from tests.benchmark.report import markdown
from tests.benchmark.results import Results
from tests.load.bodies import Unusable
from tests.load.options import Options

HELP = __doc__.format(
    peers=", ".join(peer.key for peer in PEERS),
    workloads=", ".join(workload.name for workload in WORKLOADS),
)
INTERRUPTED = 130  # as a shell has it
Named = TypeVar("Named", Peer, Workload)


def chosen(option: str, text: str, known: dict[str, Named]) -> tuple[Named, ...]:
    """Return what a list names, in the order of the catalogue.

    Raises:
        Unusable: it names something else.
    """
    names = list(known) if text == "all" else text.split(",")
    if unknown := [name for name in names if name not in known]:
        raise Unusable(f"{option}={text}: {unknown[0]!r} is none of {', '.join(known)}")
    return tuple(thing for name, thing in known.items() if name in names)


def machine() -> str:
    """Describe this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory_gib = psutil.virtual_memory().total / 2**30
    cores = len(os.sched_getaffinity(0))
    python = platform.python_version()
    return (
        f"{cores} cores ({models[0] if models else platform.machine()}), {memory_gib:.0f} GiB, "
        f"Linux {platform.release()}, Python {python}"
    )


def measure(options: Options, arguments: Sequence[str]) -> Results:
    """Run the benchmark; Ctrl-C ends it early, and what it has brought so far is returned.

    Raises:
        Unusable: an option is not as it should be.
    """
    workloads = chosen("--workloads", options["--workloads"], {w.name: w for w in WORKLOADS})
    if options["--peers"] == "growth":
        peers = GROWTH
        # At rates near what they answer, the load itself would be slower than they are.
        workloads = tuple(dataclasses.replace(one, has_open_loop=False) for one in workloads)
    else:
        peers = chosen("--peers", options["--peers"], {peer.key: peer for peer in PEERS})
    rounds, seconds = options.count("--rounds"), options.count("--seconds")
    results = Results(
        machine=machine(),
        date=datetime.date.today().isoformat(),
        command=shlex.join(["bin/benchmark", *arguments]),
        peers={peer.name: made_of(peer) for peer in peers},
        workloads={workload.name: how_called(workload) for workload in workloads},
    )
    with tqdm(bar_format="{percentage:3.0f}%|{bar:20}| {elapsed}<{remaining} {desc}") as bar:

        def show(text: str, done: int) -> None:
            bar.update(done)
            bar.set_description_str(text)

        campaign = Campaign(peers, workloads, rounds, seconds, results, show)
        bar.reset(campaign.steps)
        with suppress(KeyboardInterrupt):
            campaign.run()
            results.is_whole = True
    return results


def made_of(peer: Peer) -> str:
    """Say what a peer is made of."""
    ours = []
    if peer.folder == "this_service":
        command = ["git", "describe", "--always", "--dirty"]
        commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
        ours = [f"version {__version__} ({commit})"]
    return ", ".join([*ours, *versions_of(peer)])


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """End early, once: what comes after is the stopping of the peers, which is not to be broken."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def read(path: Path) -> Results:
    """Return what was measured earlier.

    Raises:
        Unusable: the file does not tell.
    """
    try:
        return results_file.read(path)
    except OSError as error:
        raise Unusable(f"--from={path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise Unusable(f"--from={path}: {error}") from None


def run(options: Options, arguments: Sequence[str]) -> bool:
    """Measure, or read what was measured, and write the report; False: it was ended early."""
    if options["--from"]:
        results = read(Path(options["--from"]))
    else:
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGTERM, interrupt)
        results = measure(options, arguments)
    folder = Path(options["--out"])
    folder.mkdir(parents=True, exist_ok=True)
    results_file.write(results, folder / "results.json")
    (folder / "chart.svg").write_text(svg(results), encoding="utf-8")
    report = markdown(results, "chart.svg")
    (folder / "report.md").write_text(report, encoding="utf-8")
    print(report)
    print(f"{folder}/report.md, {folder}/chart.svg, {folder}/results.json", file=sys.stderr)
    return results.is_whole or bool(options["--from"])


def main(arguments: list[str]) -> None:
    """Run the command line; what is wrong with it ends in one line and a non-zero exit."""
    try:
        is_done = run(Options(HELP, arguments), arguments)
    except Unusable as error:
        sys.exit(f"benchmark: {error}")
    sys.exit(0 if is_done else INTERRUPTED)


if __name__ == "__main__":
    main(sys.argv[1:])
