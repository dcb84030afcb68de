"""What may happen to a service: processes are killed, versions come in, it is stopped."""

import asyncio
import os
import signal
import time

import psutil

from tests.load.client import Load
from tests.load.overload import overload
from tests.load.service import (
    FAULTS_FILE,
    Unexpected,
    client_ports,
    faults_target,
    last_line,
    ready_replicas,
    until,
)
from tests.load.stage import Scenario, Stage
from tests.services.processes import living, tree

# Versions that must be refused: a text in the copy's own model, and what takes its place.
BROKEN = [("", "\ndef broken(:\n"), ("time.sleep(PREDICT_S)", 'raise RuntimeError("broken")')]


async def kill_replicas(stage: Stage) -> None:
    """Kill a replica of the model that is called, and wait for the next; again and again."""
    run_dir = await asyncio.to_thread(stage.service.run_dir)
    model = stage.target.url.rpartition("/")[2]
    async with stage.calls():
        for _ in range(stage.steps):
            await asyncio.sleep(stage.plan.hold_s)
            before = {replica.pid for replica in ready_replicas(run_dir, model)}
            if not before:
                raise Unexpected(f"{model} has no replica: it may run in the HTTP workers")
            victim = min(before)
            os.kill(victim, signal.SIGKILL)

            def is_replaced(victim: int = victim, number: int = len(before)) -> bool:
                pids = {replica.pid for replica in ready_replicas(run_dir, model)}
                return victim not in pids and len(pids) == number

            await until(is_replaced, "the killed replica is replaced")
            stage.step()
        await asyncio.sleep(stage.plan.hold_s)


async def kill_supervisor(stage: Stage) -> None:
    """Kill the supervisor, and wait for the next."""
    async with stage.calls():
        for _ in range(stage.steps):
            await asyncio.sleep(stage.plan.hold_s)
            await _kill_and_wait(stage, "supervisor")
            stage.step()
        # Its successor takes the replicas over.
        await asyncio.sleep(stage.plan.hold_s)


async def kill_workers(stage: Stage) -> None:
    """Kill an HTTP worker; what it had in flight is lost."""
    async with stage.calls() as load:
        for _ in range(stage.steps):
            await asyncio.sleep(stage.plan.hold_s)
            await _kill_and_wait(stage, "workers", load)
            stage.step()
        await asyncio.sleep(stage.plan.hold_s)


async def _kill_and_wait(stage: Stage, part: str, load: Load | None = None) -> None:
    before = await asyncio.to_thread(stage.service.pids, part)
    if not before:
        raise Unexpected(f"there is no {part}")
    victim = before[0]
    if load is not None:
        os.kill(victim, signal.SIGSTOP)  # It accepts no more, so its connections are these.
        stage.excused_ports |= await asyncio.to_thread(client_ports, victim) & load.ports()
    os.kill(victim, signal.SIGKILL)

    def is_replaced() -> bool:
        pids = stage.service.pids(part)
        return victim not in pids and len(pids) == len(before)

    await until(is_replaced, f"one of the {part} is replaced")


async def reload(stage: Stage) -> None:
    """Reload again and again."""
    async with stage.calls():
        for _ in range(stage.steps):
            reloaded = await asyncio.to_thread(stage.service.script, "reload.sh")
            if reloaded.returncode:
                raise Unexpected(f"bin/reload.sh: {last_line(reloaded.stderr)}")
            stage.step()
        await asyncio.sleep(stage.plan.hold_s)


async def reload_broken(stage: Stage) -> None:
    """Reload versions that must be refused."""
    async with stage.calls():
        for old, new in BROKEN:
            with stage.service.project.edited(FAULTS_FILE, old, new):
                reloaded = await asyncio.to_thread(stage.service.script, "reload.sh")
            if not reloaded.returncode or "is refused" not in reloaded.stderr:
                told = last_line(reloaded.stderr or reloaded.stdout)
                raise Unexpected(f"a broken version is not refused: {told}")
            stage.step()
        await asyncio.sleep(stage.plan.hold_s)
    stage.remarks.append(f"{len(BROKEN)} of {len(BROKEN)} refused")


async def stop(stage: Stage) -> None:
    """Stop the service while a slow model, and then a quick one, is called."""
    stage.may_be_refused = True
    for target in (faults_target(stage.service, stage.target), stage.target):
        await asyncio.to_thread(stage.service.start)
        below = tree(stage.service.project.master.pid)
        async with stage.calls(target):
            await asyncio.sleep(stage.plan.hold_s)
            below[0].terminate()
            taken_s = await _until_gone(below)
        stage.remarks.append(f"gone after {taken_s:.1f} s")
        stage.step()


async def kill_master(stage: Stage) -> None:
    """Kill gunicorn's master; start at once, and once more when all is gone."""
    stage.may_be_refused = stage.may_be_lost = True
    for is_waiting in (False, True):
        await asyncio.to_thread(stage.service.start)
        below = tree(stage.service.project.master.pid)
        async with stage.calls():
            await asyncio.sleep(stage.plan.hold_s)
            below[0].kill()
            if is_waiting:
                stage.remarks.append(f"all gone after {await _until_gone(below):.1f} s")
            await asyncio.to_thread(stage.service.start)
            if left := living(below):
                stage.faults.append(f"left after the start: {[process.pid for process in left]}")
            await asyncio.sleep(stage.plan.hold_s)
        stage.step()


async def _until_gone(processes: list[psutil.Process]) -> float:
    """Wait until they have ended, and return how many seconds that took."""
    started_s = time.monotonic()
    await until(lambda: not living(processes), "all processes are gone")
    return time.monotonic() - started_s


SCENARIOS = [
    Scenario("replica", kill_replicas, lambda plan: plan.kills, 3.0),
    Scenario("supervisor", kill_supervisor, lambda plan: plan.kills, 3.0),
    Scenario("worker", kill_workers, lambda plan: plan.kills, 3.0),
    Scenario("reload", reload, lambda plan: plan.reloads, 5.0),
    Scenario("broken", reload_broken, lambda _: len(BROKEN), 4.0, own_only=True),
    Scenario("overload", overload, lambda _: 2, 8.0),
    Scenario("stop", stop, lambda _: 2, 8.0, own_only=True),
    Scenario("master", kill_master, lambda _: 2, 15.0, own_only=True),
]
