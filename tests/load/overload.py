"""Overload: three times as many requests as a model can answer."""

import asyncio
import sys

from tests.load.service import Unexpected, faults_target
from tests.load.stage import Stage

TIMES = 3
CLIENTS = 32  # They keep the copy's slow model busy, and its queue short of its limit.
WARM_UP_S = 0.5
ROUTES = ("/healthz", "/readyz")


async def overload(stage: Stage) -> None:
    """Measure the capacity, then send three times as much at fixed times, and ask for health."""
    seconds = stage.plan.overload_s
    target = stage.target
    if stage.service.is_own:
        target = faults_target(stage.service, target)
    async with stage.calls(target, max(CLIENTS, stage.plan.clients)) as load:
        await asyncio.sleep(seconds)
    peak = load.figures.rate(WARM_UP_S)
    stage.figures.remove(load.figures)
    if not peak:
        raise Unexpected("nothing was answered, so the capacity is not known")
    stage.step()

    async with stage.calls(target, rate=TIMES * peak) as load:
        healths = await asyncio.gather(*(_health(stage, route, seconds) for route in ROUTES))
    goodput = 100 * load.figures.rate(WARM_UP_S) / peak
    offered = load.figures.requests / load.figures.duration_s / peak
    stage.remarks += [f"goodput {goodput:.0f} % of {peak:.0f}/s, offered {offered:.1f} times"]
    stage.remarks += healths
    stage.step()


async def _health(stage: Stage, route: str, seconds: float) -> str:
    """Ask a health route all the while, and tell how long that took at worst."""
    address = stage.service.url.removeprefix("http://")
    arguments = ["-m", "tests.load.probe", address, route, str(seconds)]
    probe = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await probe.communicate()
    worst_ms, bad = output.split()
    if int(bad):
        stage.faults.append(f"{route} was not answered 200 {int(bad)} times")
    return f"{route} within {float(worst_ms):.0f} ms"
