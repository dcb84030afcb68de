"""The results as Markdown: a table for each workload, made to be pasted into a page."""

from collections.abc import Callable
from statistics import median

from tests.benchmark import targets
from tests.benchmark.results import CLOSED, Results, Run

Figure = Callable[[Run], float | None]
COLUMNS: dict[str, Figure] = {
    "p50 ms": lambda run: run.p50_ms,
    "p99 ms": lambda run: run.p99_ms,
    "CPU ms/request": lambda run: run.cpu_ms,
    "memory MiB": lambda run: run.memory_mib,
    "start-up s": lambda run: run.start_s,
}


def markdown(results: Results, chart: str) -> str:
    """Return the whole report."""
    parts = [
        f"Measured on {results.date}: {results.machine}.",
        *([] if results.is_whole else ["It was ended early."]),
        f"Repeat it with `{results.command}`.",
        f"![Requests per second]({chart})",
    ]
    for workload, how in results.workloads.items():
        parts += [f"### {workload}", f"{how}.", "\n".join(_closed_table(results, workload))]
    for workload in results.rates:
        parts += [f"### {workload} at fixed rates", "\n".join(_open_table(results, workload))]
    if results.failures:
        failed = [f"- {failure.peer}: {failure.told()}" for failure in results.failures]
        parts.append("\n".join(["What failed:", "", *failed]))
    if targets.OURS in results.peers:
        parts += ["### This service against the others", "\n".join(targets.table(results))]
    parts.append("\n".join(["What was compared:", "", *_made_of(results)]))
    return "\n\n".join(parts) + "\n"


def _closed_table(results: Results, workload: str) -> list[str]:
    """Medians of the rounds, of requests per second the lowest and the highest too."""
    lines = [
        f"| served by | requests/s (lowest - highest) | {' | '.join(COLUMNS)} | errors |",
        "|---" * (len(COLUMNS) + 3) + "|",
    ]
    for peer in results.peers:
        runs = results.of(peer, workload)
        if not runs:
            lines.append(_missing(results, peer, workload, len(COLUMNS) + 1))
            continue
        cells = [
            _with_spread([run.requests_s for run in runs]),
            *(_middle(runs, figure) for figure in COLUMNS.values()),
            str(sum(run.errors for run in runs)),
        ]
        lines.append(f"| {peer} | {' | '.join(cells)} |")
    return lines


def _open_table(results: Results, workload: str) -> list[str]:
    """Latencies at rates that every peer should bear, counted from when a request was due."""
    loads = list(dict.fromkeys(run.load for run in results.runs if _is_open(run)))
    rate = results.rates[workload]
    heads = [
        head
        for load in loads
        for head in (f"p50 ms at {load}", f"p99 ms at {load} (lowest - highest)")
    ]
    lines = [
        f"Of {rate:.0f} requests/s, which is what the slowest peer answered.",
        "",
        f"| served by | {' | '.join(heads)} | errors |",
        "|---" * (len(heads) + 2) + "|",
    ]
    for peer in results.peers:
        runs = {load: results.of(peer, workload, load) for load in loads}
        if not all(runs.values()):
            lines.append(_missing(results, peer, workload, len(heads)))
            continue
        cells = []
        for found in runs.values():
            cells.append(_middle(found, lambda run: run.p50_ms))
            cells.append(_with_spread([run.p99_ms for run in found]))
        errors = sum(run.errors for found in runs.values() for run in found)
        lines.append(f"| {peer} | {' | '.join(cells)} | {errors} |")
    return lines


def _is_open(run: Run) -> bool:
    return run.load != CLOSED


def _missing(results: Results, peer: str, workload: str, columns: int) -> str:
    reason = (results.failure(peer, workload) or "not measured").replace("|", "\\|")
    return f"| {peer} | {reason} {'|' * columns} |"


def _middle(runs: list[Run], figure: Figure) -> str:
    values = [value for value in map(figure, runs) if value is not None]
    return number(median(values)) if values else ""


def _with_spread(values: list[float]) -> str:
    return f"{number(median(values))} ({number(min(values))} - {number(max(values))})"


def number(value: float) -> str:
    """Write a figure with three digits, or as a whole number."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _made_of(results: Results) -> list[str]:
    return [f"- {name}: {packages}" for name, packages in results.peers.items()]
