"""The load: wrk for as many requests as a peer answers, and requests at fixed times for latency."""

import asyncio
import json
import subprocess
from pathlib import Path

import msgspec

from tests.benchmark.serving import Served
from tests.load.client import Load, Target, calling
from tests.load.figures import OK, Figures

WARM_UP_S = 2
TIMEOUT_S = 30
# wrk reads the body from a file, and tells its figures as JSON at the end.
SCRIPT = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = io.open("{body}"):read("*a")
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\nfigures {{"requests": %d, "duration_s": %f, "p50_ms": %f, "p99_ms": %f, "errors": %d}}\\n',
    summary.requests - errors.status, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


class Told(msgspec.Struct):
    """What wrk tells: the requests that were answered 2xx, and all that were not."""

    requests: int
    duration_s: float
    p50_ms: float
    p99_ms: float
    errors: int


def warm_up(served: Served, connections: int) -> None:
    """Ask for a moment, so that what a peer loads late is loaded.

    Not by wrk, which leaves without its last answers: a slow peer would be busy with them.
    """
    asyncio.run(_calls(served, WARM_UP_S, clients=connections))


def closed_loop(served: Served, connections: int, seconds: int, folder: Path) -> Told:
    """Have each connection ask again as soon as it is answered."""
    body, script = folder / "body.json", folder / "post.lua"
    body.write_bytes(served.body)
    script.write_text(SCRIPT.format(body=body))
    wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_S}s"]
    told = subprocess.run(
        [*wrk, "-s", str(script), served.url], check=True, capture_output=True, text=True
    )
    line = next(line for line in told.stdout.splitlines() if line.startswith("figures "))
    return msgspec.convert(json.loads(line.removeprefix("figures ")), Told)


def open_loop(served: Served, rate: float, seconds: int) -> Told:
    """Send at fixed times, whatever becomes of the answers; latencies count from these times."""
    figures = asyncio.run(_calls(served, seconds, rate=rate))
    p50_ms, p99_ms = figures.percentiles_ms(0.5, 0.99)
    answered = figures.statuses[OK]
    errors = figures.requests - answered
    return Told(answered, float(seconds), p50_ms, p99_ms, errors)


async def _calls(served: Served, seconds: int, clients: int = 0, rate: float = 0.0) -> Figures:
    load = Load(Target(served.url, [served.body], TIMEOUT_S))
    async with calling(load, clients, rate):
        await asyncio.sleep(seconds)
    return load.figures
