"""The order of the benchmark: in each round every peer serves each workload once."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmark.catalogue import MAX_BATCH_SIZE, Peer, Workload
from tests.benchmark.environments import NotInstalled, programs_of
from tests.benchmark.load import closed_loop, open_loop, warm_up
from tests.benchmark.results import CLOSED, Failure, Results, Run
from tests.benchmark.serving import NotServed, Served, prepare, serving
from tests.benchmark.workloads import digits_forest, digits_mlp, hello, image_tensor
from tests.benchmark.workloads.train import train

SHARES = {"50 %": 0.5, "90 %": 0.9}
MODELS: dict[str, Callable[[Path], Any]] = {
    "hello": hello.Served,
    "digits-mlp": digits_mlp.Served,
    "digits-forest": digits_forest.Served,
    "image-tensor": image_tensor.Served,
}


@dataclass
class Campaign:
    """What is measured, for how long, and what it has brought so far.

    From the second round on, requests are sent at fixed rates too: shares of what the slowest peer
    answered in the first.
    """

    peers: tuple[Peer, ...]
    workloads: tuple[Workload, ...]
    rounds: int
    seconds: int
    results: Results
    show: Callable[[str, int], None]  # what is done now, and how many steps were done before it
    programs: dict[str, Path] = field(default_factory=dict)
    expected: dict[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """How often `show` counts one more."""
        return len(self.peers) * (1 + self.rounds * len(self.workloads))

    def run(self) -> None:
        """Measure everything; what a peer cannot do is among the results."""
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent)
            self._prepare(folder)
            for round_ in range(1, self.rounds + 1):
                for workload in self.workloads:
                    for peer in self.peers:
                        self.show(f"round {round_}: {workload.name} by {peer.name}", 1)
                        self._serve(peer, workload, round_, folder)
                    if round_ == 1:
                        self._find_slowest(workload)

    def _prepare(self, folder: Path) -> None:
        self.show("training the models", 0)
        train(folder / "weights")
        for workload in self.workloads:
            (instance,) = workload.body().values()
            model = MODELS[workload.name](folder / "weights")
            (self.expected[workload.name],) = model.predict([instance])
        for peer in self.peers:
            self.show(f"installing {peer.name}", 1)
            prepare(peer, folder / peer.key)
            try:
                self.programs[peer.key] = programs_of(peer)
            except NotInstalled as error:
                reason = f"could not be installed: {error}"
                self.results.failures.append(Failure(peer.name, reason))

    def _serve(self, peer: Peer, workload: Workload, round_: int, folder: Path) -> None:
        if self.results.failure(peer.name, workload.name):
            return  # It takes long to find that out, so once is enough.
        programs, expected = self.programs[peer.key], self.expected[workload.name]
        own, weights = folder / peer.key, folder / "weights"
        try:
            with serving(peer, workload, programs, own, weights, expected) as served:
                warm_up(served, workload.connections)
                self._measure(peer, workload, round_, served, folder)
        except NotServed as error:
            self.results.failures.append(Failure(peer.name, str(error), workload.name))

    def _measure(
        self, peer: Peer, workload: Workload, round_: int, served: Served, folder: Path
    ) -> None:
        seconds = self.seconds * workload.times
        before_s = served.cpu_s()
        told = closed_loop(served, workload.connections, seconds, folder)
        cpu_s = served.cpu_s() - before_s
        self.results.runs.append(
            Run(
                peer=peer.name,
                workload=workload.name,
                round=round_,
                load=CLOSED,
                requests_s=told.requests / told.duration_s,
                p50_ms=told.p50_ms,
                p99_ms=told.p99_ms,
                errors=told.errors,
                cpu_ms=cpu_s * 1000 / told.requests if told.requests else None,
                memory_mib=served.memory_mib(),
                start_s=served.start_s,
            )
        )
        slowest = self.results.rates.get(workload.name)
        if slowest is None:
            return
        for load, share in SHARES.items():
            told = open_loop(served, share * slowest, self.seconds)
            rate = told.requests / told.duration_s
            latencies = (told.p50_ms, told.p99_ms)
            self.results.runs.append(
                Run(peer.name, workload.name, round_, load, rate, *latencies, told.errors)
            )

    def _find_slowest(self, workload: Workload) -> None:
        runs = [run.requests_s for run in self.results.runs if run.workload == workload.name]
        if workload.has_open_loop and self.rounds > 1 and min(runs, default=0):
            self.results.rates[workload.name] = min(runs)


def how_called(workload: Workload) -> str:
    """Say how a workload is called."""
    return f"{workload.connections} connections, batches of up to {MAX_BATCH_SIZE}"
