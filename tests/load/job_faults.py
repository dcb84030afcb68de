"""Kill what a service of jobs is made of while it works, and count what is lost or done twice.

Usage:
  bin/job-faults [options]
  bin/job-faults -h | --help

Options:
  --engine NAME    filesystem, redis or rabbitmq [default: filesystem].
  --database NAME  sqlite or postgresql [default: sqlite].
  --jobs COUNT     How many are handed in [default: 1000].
  --kills COUNT    How often something is killed meanwhile [default: 50].
  --seed NUMBER    Of what is killed, and when [default: 1].
  -h --help        Show this text.

A copy of this folder is started, with servers of its own, and removed in the end. What is killed,
by SIGKILL: the job worker, the supervisor, a replica, an HTTP worker, all of the service, and the
broker and the database where these are servers. Callers who are not answered ask again, with the
same Idempotency-Key.

Lost is an instance without its result, twice one with two; a job that was accepted twice counts,
too. It ends with 1 if there is any, if a result is at a wrong place, if a job changed after it
ended, or if a synchronous caller was not answered while the broker or the database was away.
"""

import random
import signal
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tests.load.bodies import Unusable
from tests.load.job_callers import Asked, Callers, Tally
from tests.load.job_site import Site, job_site
from tests.load.options import Options
from tests.services.processes import is_ready, wait_until

LARGE_EVERY, LARGE = 20, 2500  # jobs, and instances: of three chunks
MOST_S = 1.0  # between handing in and the kill, and that a server is away


def jobs(count: int, chance: random.Random) -> list[Asked]:
    """Return what is handed in: mostly small."""
    sizes = [
        LARGE if number % LARGE_EVERY == 0 else chance.randint(1, 3) for number in range(count)
    ]
    return [
        Asked(f"key-{number}", [f"{number}.{each}" for each in range(size)])
        for number, size in enumerate(sizes)
    ]


def victims(site: Site, count: int, chance: random.Random) -> list[str]:
    """Return whom to kill, each at least once if there are kills enough."""
    possible = site.victims()
    chance.shuffle(possible)
    return [*possible, *chance.choices(possible, k=count)][:count]


def kill(site: Site, victim: str, callers: Callers, chance: random.Random) -> None:
    """Kill one, and return once all is well again."""
    if victim not in site.servers:
        site.kill(victim)
    else:
        with site.away(victim):
            callers.call_without(victim, chance.uniform(0, MOST_S))
    wait_until(lambda: is_ready(site.url), "the service is ready again")


def play(site: Site, asked: list[Asked], kills: int, chance: random.Random) -> Tally:
    """Hand in the jobs, kill meanwhile, wait for the end, and count."""
    callers = Callers(site.url)
    killed = victims(site, kills, chance)
    with ThreadPoolExecutor(8) as pool, ExitStack() as ending:
        ending.callback(callers.end)  # Whatever happens, the pool has an end.
        waiting = []
        for number, victim in enumerate(killed):
            part = asked[number * len(asked) // kills : (number + 1) * len(asked) // kills]
            waiting += [pool.submit(callers.hand_in, job) for job in part]
            callers.pause(chance.uniform(0, MOST_S))
            print(f"{number + 1}/{kills}: {victim}", file=sys.stderr, flush=True)
            kill(site, victim, callers, chance)
            callers.look()
        for each in waiting:
            each.result()
        ending.pop_all()
    callers.wait_for_all()
    wait_until(lambda: site.count("worker") == 1, "one worker is left")
    print("killed:", ", ".join(f"{name} {count}" for name, count in Counter(killed).items()))
    return callers.tally()


def main(arguments: list[str]) -> None:
    """Run the command line; what is wrong with it ends in one line and a non-zero exit."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # They end it as Ctrl-C does.
    try:
        options = Options(__doc__, arguments)
        chance = random.Random(options.count("--seed"))
        asked, kills = jobs(options.count("--jobs"), chance), options.count("--kills")
        with job_site(options["--engine"], options["--database"]) as site:
            tally = play(site, asked, kills, chance)
    except (Unusable, AssertionError) as error:
        sys.exit(f"job-faults: {error}")
    except KeyboardInterrupt:
        sys.exit("job-faults: interrupted")
    print(tally)
    sys.exit(not tally.is_well)


if __name__ == "__main__":
    main(sys.argv[1:])
