"""Put a service to the test: kill, reload and overload it while it is called, and count the lost.

Usage:
  bin/faults [options]
  bin/faults -h | --help

Options:
  --scenarios NAMES  Some of them, separated by commas: replica, supervisor, worker, reload, broken,
                     overload, stop, master [default: all].
  --lane LANE        How the copy's HTTP workers answer: asgi, gthread or both [default: both].
  --running          Take the service that runs in this folder, for the scenarios that leave it
                     running, on its lane; else a copy of this folder is started, and removed in
                     the end.
  --model NAME       The model that is called, if not the first.
  --clients COUNT    Connections, which are kept; each calls again once it is answered
                     [default: 16].
  --kills COUNT      Kills in a row [default: 5].
  --reloads COUNT    Reloads in a row [default: 20].
  --timeout SECONDS  How long to wait for an answer [default: 60].
  --short            Two kills, two reloads, and little in between.
  --progress         Show the progress even where standard error is no terminal.
  -h --help          Show this text.

replica, supervisor, worker, master: SIGKILL of one; reload: bin/reload.sh; broken: a version that
must be refused; overload: three times of what a model can answer; stop: SIGTERM.

Lost is a request without an HTTP answer, or with another status than 200 and 503 (refused). What a
killed HTTP worker had in flight is allowed to be, and anything when the master is killed. It ends
with 1 if more was lost, or if the service did not do what it must.
"""

import asyncio
import itertools
import signal
import sys
from pathlib import Path
from typing import get_args, get_type_hints

from model_serving.config import Config
from tests.load.bodies import Unusable, find_model, model_names
from tests.load.options import Options
from tests.load.progress import shown
from tests.load.scenarios import SCENARIOS
from tests.load.service import Service, Unexpected, own_service, running_service
from tests.load.stage import Plan, Result, Scenario, Stage

LANES = get_args(get_type_hints(Config)["http_worker"])
LINE = "{:<11}{:<8}{:>9}{:>10}{:>9}{:>6}{:>10}  {:<6}  {}"


def chosen(names: str, is_own: bool) -> list[Scenario]:
    """Return the scenarios that are asked for, and that the service is for.

    Raises:
        Unusable: there is no such scenario, or it is not for a service that is to run on.
    """
    possible = {
        scenario.name: scenario for scenario in SCENARIOS if is_own or not scenario.own_only
    }
    if names == "all":
        return list(possible.values())
    wanted = [name.strip() for name in names.split(",")]
    if unknown := [name for name in wanted if name not in possible]:
        raise Unusable(f"--scenarios={','.join(unknown)}: allowed are {', '.join(possible)}")
    return [possible[name] for name in wanted]


def lanes(name: str) -> list[str]:
    """Return the lanes that are asked for.

    Raises:
        Unusable: there is no such lane.
    """
    if name not in (*LANES, "both"):
        raise Unusable(f"--lane={name}: allowed are {', '.join(LANES)}, both")
    return list(LANES) if name == "both" else [name]


def plan_of(options: Options) -> Plan:
    """Return how much of everything is asked for.

    Raises:
        Unusable: a number is none.
    """
    clients, kills, reloads = (options.count(f"--{key}") for key in ("clients", "kills", "reloads"))
    if options["--short"]:
        return Plan(clients, kills=2, reloads=2, hold_s=0.5, overload_s=3.0)
    return Plan(clients, kills, reloads, hold_s=2.0, overload_s=8.0)


async def play(scenario: Scenario, service: Service, options: Options) -> Result:
    """Play one scenario, and sum up."""
    if service.is_own:
        await asyncio.to_thread(service.start)
    model = options["--model"] or model_names(service.url)[0]
    target = find_model(service.url, model, None, options.number("--timeout"))
    plan = plan_of(options)
    stage = Stage(service, target, plan, scenario.steps(plan))
    bar = shown(
        scenario.name,
        lambda: stage.done / stage.steps,
        lambda: stage.left_s(scenario.guess_s),
        stage.requests,
        options["--progress"],
    )
    async with bar:
        try:
            await scenario.play(stage)
        except Unexpected as error:
            stage.faults.append(str(error))
    return stage.result(scenario.name)


async def play_all(scenarios: list[Scenario], service: Service, options: Options) -> list[Result]:
    """Play the scenarios one after another, on each lane, and print a line for each."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel if task else sys.exit)
    results = []
    counted = ["requests", "answered", "refused", "lost"]
    print(LINE.format("scenario", "lane", *counted, "worst ms", "", "remarks"), flush=True)
    chosen_lanes = lanes(options["--lane"]) if service.is_own else [service.lane]
    for lane, scenario in itertools.product(chosen_lanes, scenarios):
        await asyncio.to_thread(service.change_to, lane)
        result = await play(scenario, service, options)
        results.append(result)
        verdict = "passed" if result.is_passed else "FAILED"
        counts = (result.requests, result.answered, result.refused, result.lost)
        told = [f"{result.worst_ms:.0f}", verdict, "; ".join(result.remarks)]
        print(LINE.format(result.name, lane, *counts, *told).rstrip(), flush=True)
    return results


def main(arguments: list[str]) -> None:
    """Run the command line; what is wrong with it ends in one line and a non-zero exit."""
    for number in (
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # They end it as Ctrl-C does, with all it started.
        signal.signal(number, signal.default_int_handler)
    try:
        options = Options(__doc__, arguments)
        plan_of(options)
        options.number("--timeout")
        is_own = not options["--running"]
        lanes(options["--lane"])
        scenarios = chosen(options["--scenarios"], is_own)
        with (own_service if is_own else running_service)(Path.cwd()) as service:
            print(f"the service: {service.project.folder} at {service.url}", flush=True)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            results = asyncio.run(play_all(scenarios, service, options))
    except (Unusable, Unexpected) as error:
        sys.exit(f"faults: {error}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("faults: interrupted")
    sys.exit(not all(result.is_passed for result in results))


if __name__ == "__main__":
    main(sys.argv[1:])
