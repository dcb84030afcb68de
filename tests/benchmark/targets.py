"""What this service is to reach against the others in one run, and whether it does."""

from dataclasses import dataclass

from tests.benchmark.results import Results, Run

OURS = "this service"
USUAL = "as usually written"
ALL = ("hello", "digits-mlp", "digits-forest", "image-tensor")


@dataclass(frozen=True)
class Target:
    """At least so many times a peer's requests per second, or at most so much of its memory."""

    workload: str
    peer: str
    times: float
    is_memory: bool = False

    def measured(self, results: Results) -> float:
        """Return the ratio of the medians; 0 where one of the two was not measured."""
        figure = _memory if self.is_memory else _rate
        ours, theirs = (results.middle(peer, self.workload, figure) for peer in (OURS, self.peer))
        return ours / theirs if theirs else 0.0

    def is_reached(self, results: Results) -> bool:
        """Tell whether the ratio is as wanted."""
        measured = self.measured(results)
        return 0 < measured <= self.times if self.is_memory else measured >= self.times


def _rate(run: Run) -> float:
    return run.requests_s


def _memory(run: Run) -> float | None:
    return run.memory_mib


TARGETS = (
    Target("hello", "mosec", 1.2),
    Target("hello", "mosec", 0.75, is_memory=True),
    Target("digits-mlp", "mosec", 1.2),
    Target("digits-mlp", "mosec", 0.75, is_memory=True),
    Target("digits-forest", "mosec", 1.0),
    Target("digits-forest", "mosec", 1.0, is_memory=True),
    *(
        Target(workload, peer, 4)
        for peer in ("LitServe", "MLServer", "BentoML")
        for workload in ALL
    ),
    Target("digits-mlp", USUAL, 10),
    Target("digits-forest", USUAL, 10),
    Target("image-tensor", USUAL, 20),
)


def table(results: Results) -> list[str]:
    """Return the lines of a table of all that is to be reached."""
    lines = [
        "| workload | against | wanted | measured | reached |",
        "|---|---|---|---|---|",
    ]
    for target in TARGETS:
        what = "≤ {:g} × its memory" if target.is_memory else "≥ {:g} × its requests/s"
        measured = target.measured(results)
        reached = (
            ("yes" if target.is_reached(results) else "**no**") if measured else "not measured"
        )
        cells = (
            target.workload,
            target.peer,
            what.format(target.times),
            f"{measured:.2f}" if measured else "",
            reached,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines
