"""Measure how soon the jobs of a running service begin, and how fast a file of them is.

Usage:
  jobs [options]
  jobs -h | --help

Options:
  --url URL          Where the service is, if it is not the one that runs in this folder.
  --count COUNT      How many jobs of one instance, one after the other [default: 100].
  --instances COUNT  How many instances the file has [default: 20000].
  -h --help          Show this text.

It is run by ``.venv-test/bin/python -m tests.load.jobs``. Give the service nothing else to do. What
its job worker takes at rest is shown where it is the one of this folder.
"""

import itertools
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.load.bodies import Unusable, find_url
from tests.load.options import Options

MODEL = "XXXModel"
WORKER = ["-m", "model_serving.job_worker"]
OPEN = ("queued", "running")
ASK_S = 0.02
REST_S = 5.0


def ended(caller: httpx.Client, job: Any) -> Any:
    """Ask for a job until it has ended.

    Raises:
        Unusable: it did not succeed.
    """
    while job["state"] in OPEN:
        time.sleep(ASK_S)
        job = caller.get(job["links"]["self"]).raise_for_status().json()
    if job["state"] != "succeeded":
        raise Unusable(f"job {job['id']} is {job['state']}: {job['error']}")
    return job


def times_ms(job: Any) -> tuple[float, float]:
    """Return how long after it was accepted a job began, and how long after that it ended."""
    created, started, done = (
        datetime.fromisoformat(job[key]).timestamp() for key in ("created", "started", "ended")
    )
    return 1000 * (started - created), 1000 * (done - started)


def measure_single(caller: httpx.Client, count: int) -> Iterator[str]:
    """Hand in jobs of one instance, each when nothing else is to be done."""
    accepted, begun, worked = [], [], []
    for number in range(count):
        time.sleep(random.uniform(0.05, 0.15))  # Not in step with a worker that looks now and then.
        asked_s = time.monotonic()
        job = caller.post(f"/v1/{MODEL}/jobs", json={"name": f"Leo {number}"}).raise_for_status()
        accepted.append(1000 * (time.monotonic() - asked_s))
        begun_ms, worked_ms = times_ms(ended(caller, job.json()))
        begun.append(begun_ms)
        worked.append(worked_ms)
    yield summary("request to 202", accepted)
    yield summary("accepted to running", begun)
    yield summary("running to succeeded", worked)


def summary(what: str, times: Sequence[float]) -> str:
    """Return a line about some times in ms."""
    ordered = sorted(times)
    p95 = ordered[len(ordered) * 95 // 100]
    return f"{what:<22} median {statistics.median(ordered):7.1f} ms  p95 {p95:7.1f} ms"


def measure_file(caller: httpx.Client, count: int) -> str:
    """Hand in a file, and return how fast it was scored."""
    data = b"".join(b'{"name": "Leo %d"}\n' % number for number in range(count))
    kind = {"Content-Type": "application/x-ndjson"}
    job = caller.post(f"/v1/{MODEL}/jobs", content=data, headers=kind).raise_for_status().json()
    begun_ms, worked_ms = times_ms(ended(caller, job))
    rate = 1000 * count / worked_ms
    return f"{count} instances        {rate:,.0f}/s, begun after {begun_ms:.0f} ms"


def at_rest() -> Iterator[str]:
    """Return what the job workers of this folder take while there is nothing to do."""
    found = [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if (process.info["cmdline"] or [])[1:3] == WORKER and process.info["cwd"] == str(Path.cwd())
    ]
    before_s = [sum(worker.cpu_times()[:2]) for worker in found]
    time.sleep(REST_S if found else 0)
    for worker, used_s in zip(found, before_s, strict=True):
        share = 100 * (sum(worker.cpu_times()[:2]) - used_s) / REST_S
        memory = worker.memory_full_info()
        yield (
            f"job worker at rest     {share:.1f} % of a core, {memory.rss >> 20} MiB"
            f" ({memory.uss >> 20} MiB of its own)"
        )


def main(arguments: list[str]) -> None:
    """Run the command line; what is wrong ends in one line and a non-zero exit."""
    try:
        options = Options(__doc__, arguments)
        count, instances = options.count("--count"), options.count("--instances")
        url = options["--url"] or find_url(Path.cwd())
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as caller:
            ended(caller, caller.post(f"/v1/{MODEL}/jobs", json={"name": "first"}).json())
            singles = measure_single(caller, count)
            for line in itertools.chain(singles, [measure_file(caller, instances)], at_rest()):
                print(line, flush=True)
    except (Unusable, httpx.HTTPError) as error:
        sys.exit(f"jobs: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
