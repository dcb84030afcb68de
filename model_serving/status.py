"""What runs, at a glance: ``python -m model_serving.status`` lists the replicas of all models.

``... reload`` prints how many reloads there have been, and ``... reload 3`` waits for the third to
end; it ends with 1 and the reason if that was refused. The environment names the run folder.
"""

import signal
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from model_serving.jobs.report import READY, Reports
from model_serving.serving import RunDir
from model_serving.serving.status import Status, read_status
from model_serving.serving.watch import FolderWatch

COLUMNS = "  {:<16} {:>7} {:>8}  {:<8} {:>5} {:>8} {:>8}  {}"


def overview(run_dir: RunDir) -> list[str]:
    """Return a table of all replicas, what became of the last reload, and how jobs are."""
    status = read_status(run_dir.status) or Status(run_dir.current())
    batches = _batches(run_dir)
    lines = [
        COLUMNS.format(
            "model", "replica", "pid", "state", "MiB", "batches", "restarts", "last error"
        )
    ]
    for generation in status.generations:
        is_current = generation.number == status.current
        for name, replicas in generation.models.items():
            for replica in replicas:
                lines.append(
                    COLUMNS.format(
                        name,
                        replica.index,
                        replica.pid,
                        replica.state if is_current else "other",
                        _memory_mib(replica.pid),
                        batches.get((name, str(replica.index)), 0),
                        replica.restarts,
                        replica.last_error or "",
                    ).rstrip()
                )
        if generation.error:
            lines.append(f"nothing is served: {generation.error}")
    if status.reload.error:
        lines.append(f"reload {status.reload.number} was refused: {status.reload.error}")
    return [*lines, *_jobs(run_dir, status)]


def _jobs(run_dir: RunDir, status: Status) -> list[str]:
    """Return a line about the worker of jobs, and one for each part of it that is away."""
    worker = status.companion
    if not worker.pid:
        return []
    line = (
        f"job worker: pid {worker.pid}, {_memory_mib(worker.pid)} MiB, restarts {worker.restarts}"
    )
    reports = Reports(run_dir.jobs)
    report = reports.last()
    if report and report.counts is not None:
        states: dict[str, int] = {}
        for _, state, count in report.counts:
            states[state] = states.get(state, 0) + count
        counts = ", ".join(f"{state} {count}" for state, count in states.items())
        line += f"; jobs: {counts}; longest wait {report.oldest_queued_s:.0f} s"
    away = [f"jobs: {why}" for why in reports.states().values() if why != READY]
    return [line, *away]


def wait_for_reload(run_dir: RunDir, number: int) -> str | None:
    """Wait until that reload has ended; return why it was refused, or None."""
    with FolderWatch([run_dir.path]) as watch:
        while True:
            status = read_status(run_dir.status)
            if status and status.reload.number >= number and not status.reload.is_running:
                return status.reload.error
            watch.wait()
            watch.changed()


def _memory_mib(pid: int) -> int | str:
    """Return the proportional set size: memory shared by n processes counts a nth in each."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return round(int(line.split()[1]) / 1024)
    except OSError:
        pass
    return "-"


def _batches(run_dir: RunDir) -> dict[tuple[str, str], int]:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(run_dir.metrics))
    return {
        (sample.labels["model"], sample.labels["replica"]): int(sample.value)
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "model_batch_size_count"
    }


def main(command: str = "", number: str = "") -> None:
    """Print what is asked."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `status.sh | head -1` is no error.
    run_dir = RunDir.from_environment()
    if run_dir is None:
        sys.exit("this is not the environment of a running service")
    if not command:
        print("\n".join(overview(run_dir)))
    elif number:
        sys.exit(wait_for_reload(run_dir, int(number)))
    else:
        status = read_status(run_dir.status)
        print(status.reload.number if status else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
