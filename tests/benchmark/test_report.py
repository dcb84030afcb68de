"""The report, the ratios and the chart of given results."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.benchmark import results as results_file
from tests.benchmark.chart import svg
from tests.benchmark.report import markdown
from tests.benchmark.results import CLOSED, Failure, Results, Run
from tests.benchmark.targets import Target

PEERS = ("this service", "as usually written", "mosec", "LitServe")


def run(peer: str, round_: int, rate: float, memory_mib: float = 50) -> Run:
    return Run(peer, "hello", round_, CLOSED, rate, 2, 9, 0, 0.5, memory_mib, 1.25)


@pytest.fixture
def results() -> Results:
    given = Results(
        machine="2 cores",
        date="2026-11-21",
        command="bin/benchmark",
        peers={peer: f"{peer} 1.0" for peer in PEERS},
        workloads={"hello": "16 connections"},
        rates={"hello": 100},
        failures=[Failure("LitServe", "could not be installed: no such version | or so")],
    )
    for round_, rate in enumerate((3000, 5000, 4000), 1):
        given.runs.append(run("this service", round_, rate, 60))
    given.runs.append(run("mosec", 1, 2000, 120))
    for round_, p99_ms in enumerate((7, 5), 2):
        for load in ("50 %", "90 %"):
            given.runs.append(Run("mosec", "hello", round_, load, 50, 1, p99_ms, 1))
    return given


def rows(report: str, peer: str) -> list[str]:
    return [line for line in report.splitlines() if line.startswith(f"| {peer} |")]


def test_report_has_medians_and_the_spread_of_the_rounds(results: Results) -> None:
    closed, *_ = rows(markdown(results, "chart.svg"), "this service")
    assert closed == (
        "| this service | 4000 (3000 - 5000) | 2.00 | 9.00 | 0.50 | 60.0 | 1.25 | 0 |"
    )


def test_report_has_the_latencies_at_fixed_rates(results: Results) -> None:
    _, opened = rows(markdown(results, "chart.svg"), "mosec")
    half = "1.00 | 6.00 (5.00 - 7.00)"
    assert opened == f"| mosec | {half} | {half} | 4 |"


def test_report_says_why_a_peer_has_no_figures(results: Results) -> None:
    report = markdown(results, "chart.svg")
    told = "| LitServe | could not be installed: no such version \\| or so |"
    assert [row.startswith(told) for row in rows(report, "LitServe")] == [True, True]
    assert rows(report, "as usually written")[0].startswith("| as usually written | not measured |")


def test_every_row_of_a_table_is_as_wide_as_its_head(results: Results) -> None:
    tables = [part for part in markdown(results, "chart.svg").split("\n\n") if part[0] == "|"]
    widths = [
        {line.replace("\\|", "").count("|") for line in table.splitlines()} for table in tables
    ]
    assert [len(found) for found in widths] == [1, 1, 1]


@pytest.mark.parametrize(
    ("target", "measured", "is_reached"),
    [
        pytest.param(Target("hello", "mosec", 2), 2, True, id="rate"),
        pytest.param(Target("hello", "mosec", 2.1), 2, False, id="rate-missed"),
        pytest.param(Target("hello", "mosec", 0.5, is_memory=True), 0.5, True, id="memory"),
        pytest.param(Target("hello", "mosec", 0.4, is_memory=True), 0.5, False, id="memory-missed"),
        pytest.param(Target("hello", "LitServe", 4), 0, False, id="not-measured"),
    ],
)
def test_target_is_a_ratio_of_medians(
    results: Results, target: Target, measured: float, is_reached: bool
) -> None:
    assert target.measured(results) == measured
    assert target.is_reached(results) == is_reached


def test_chart_has_a_bar_for_each_peer(results: Results) -> None:
    picture = ET.fromstring(svg(results))
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {*PEERS} <= {*texts}
    assert texts.count("not measured") == 2


def test_results_are_read_as_they_were_written(results: Results, tmp_path: Path) -> None:
    results_file.write(results, tmp_path / "results.json")
    assert results_file.read(tmp_path / "results.json") == results
