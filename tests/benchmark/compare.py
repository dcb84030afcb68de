"""The forest by this service, and as it is usually served, in one run on one machine.

Two HTTP workers each, 64 keep-alive connections, wrk for the load; the runs alternate. Prints a
table of requests per second, latency, memory (PSS of the whole tree) and failures, and the ratio.

Usage:
  benchmark [--rounds <n>] [--seconds <s>]
  benchmark -h | --help

Options:
  --rounds <n>   Runs of each [default: 3].
  --seconds <s>  Length of a run [default: 10].
"""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import joblib
import psutil
from docopt import docopt
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from tqdm import tqdm

from tests.services.processes import clean_environment, free_port, is_ready, started, wait_until
from tests.services.project import copy_project

HERE = Path(__file__).resolve().parent / "forest"
CONNECTIONS, WORKERS = 64, 2
WRK = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{body}'
"""


@dataclass(frozen=True)
class Run:
    """What one run of wrk brought."""

    requests_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    memory_mib: float


def train(folder: Path) -> Path:
    """Train the forest; return its file."""
    pixels, labels = load_digits(return_X_y=True)
    forest = RandomForestClassifier(n_estimators=100, random_state=0).fit(pixels / 16, labels)
    joblib.dump(forest, folder / "forest.joblib")
    body = json.dumps({"pixels": (pixels[0] / 16).tolist()})
    (folder / "post.lua").write_text(WRK.format(body=body))
    return folder / "forest.joblib"


def write_service(folder: Path, forest: Path) -> None:
    """Make a copy of this project that serves the forest alone."""
    copy_project(folder)
    for room in ("models", "resources"):
        name = "forest_model.py" if room == "models" else "forest_model_resource.py"
        shutil.copy(HERE / name, folder / "model_serving" / room / name)
    (folder / "conf/forest_model.conf").write_text(f"[model]\nweights = {forest}\n")
    (folder / "model_serving/resources/__init__.py").write_text(
        '"""The forest alone."""\n\n'
        "from model_serving.resources.forest_model_resource import ForestModelResource\n\n"
        "RESOURCES = [ForestModelResource]\n"
    )


@contextmanager
def serving(
    folder: Path, *command: str, **environment: str
) -> Iterator[tuple[str, psutil.Process]]:
    """Run gunicorn; give its URL and its master."""
    port = free_port()
    settings = clean_environment(PORT=str(port), WORKERS=str(WORKERS), **environment)
    line = [sys.executable, "-m", "gunicorn", *(word.format(port=port) for word in command)]
    with started(line, folder, settings, folder / "output.txt") as process:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: process.poll() is not None or is_ready(url), f"{url} answers")
        if process.poll() is not None:
            sys.exit((folder / "output.txt").read_text())
        yield url, psutil.Process(process.pid)


def load(url: str, master: psutil.Process, seconds: int, script: Path) -> Run:
    """Let wrk ask for as long as that, after a moment to warm up."""
    wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", "--latency", "-s", str(script)]
    target = f"{url}/v1/ForestModel"
    subprocess.run([*wrk, "-d2", target], check=True, capture_output=True)
    done = subprocess.run(
        [*wrk, f"-d{seconds}", target], check=True, capture_output=True, text=True
    )
    told = done.stdout
    failed = re.findall(r"Non-2xx or 3xx responses: (\d+)", told)
    failed += re.findall(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", told)
    tree = [master, *master.children(recursive=True)]
    return Run(
        requests_s=float(re.findall(r"Requests/sec: +([\d.]+)", told)[0]),
        p50_ms=_milliseconds(re.findall(r"50% +([\d.]+)(\w+)", told)[0]),
        p99_ms=_milliseconds(re.findall(r"99% +([\d.]+)(\w+)", told)[0]),
        failed=sum(int(number) for found in failed for number in [*found] if number),
        memory_mib=sum(process.memory_full_info().pss for process in tree) / 2**20,
    )


def _milliseconds(found: tuple[str, str]) -> float:
    return float(found[0]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[1]]


def main() -> None:
    """Measure, and print the table."""
    given = docopt(__doc__ or "")
    runs: dict[str, list[Run]] = {"as usually written": [], "this service": []}
    with tempfile.TemporaryDirectory() as parent:
        usual, ours = Path(parent, "usual"), Path(parent, "ours")
        usual.mkdir()
        forest = train(usual)
        shutil.copy(HERE / "as_usually_written.py", usual)
        write_service(ours, forest)
        commands = {
            "as usually written": (
                usual,
                ("--bind", "127.0.0.1:{port}", "--workers", str(WORKERS), "as_usually_written:app"),
                {"FOREST": str(forest)},
            ),
            "this service": (
                ours,
                ("--config", "conf/gunicorn.conf.py", "main:app"),
                {"LOG_CONSOLE": "false"},
            ),
        }
        for name in tqdm([*commands] * int(given["--rounds"]), unit="run"):
            folder, command, environment = commands[name]
            with serving(folder, *command, **environment) as (url, master):
                runs[name].append(load(url, master, int(given["--seconds"]), usual / "post.lua"))
    print(report(runs))


def report(runs: dict[str, list[Run]]) -> str:
    """Write the medians as a table, with the lowest and highest rate, and the ratio."""
    lines = [
        "| served | requests/s (lowest - highest) | p50 ms | p99 ms | failed | memory MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name, done in runs.items():
        rates = [run.requests_s for run in done]
        figures = (
            f"{statistics.median(rates):.0f} ({min(rates):.0f} - {max(rates):.0f})",
            f"{statistics.median(run.p50_ms for run in done):.0f}",
            f"{statistics.median(run.p99_ms for run in done):.0f}",
            f"{sum(run.failed for run in done)}",
            f"{statistics.median(run.memory_mib for run in done):.0f}",
        )
        lines.append(f"| {name} | {' | '.join(figures)} |")
    usual, ours = (statistics.median(run.requests_s for run in done) for done in runs.values())
    return "\n".join([*lines, "", f"{ours / usual:.1f} times the requests per second"])


if __name__ == "__main__":
    main()
