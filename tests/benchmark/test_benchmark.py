"""bin/benchmark itself: a short run, what it leaves behind, and what it says of wrong options."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.benchmark import results as results_file
from tests.benchmark.catalogue import GROWTH, HERE, MAX_BATCH_SIZE, PEERS, WORKLOADS, Peer
from tests.benchmark.environments import NotInstalled, programs_of, versions_of
from tests.benchmark.serving import alike, prepare
from tests.services.needs import needs
from tests.services.processes import PATIENCE_S, living, wait_until
from tests.services.project import ROOT

COMMAND = [sys.executable, "-m", "tests.benchmark.main"]
SHORT = ["--peers", "this-service,as-usually-written", "--workloads", "hello", "--rounds", "1"]

with_wrk = needs("wrk", "wrk")


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True)


@with_wrk
def test_benchmark_measures_and_makes_its_report_again(tmp_path: Path) -> None:
    ended = benchmark(*SHORT, "--seconds", "1", "--out", str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    results = results_file.read(tmp_path / "results.json")
    assert results.failures == []
    assert [run.peer for run in results.runs] == ["this service", "as usually written"]
    for run in results.runs:
        assert run.errors == 0
        assert min(run.requests_s, run.p50_ms, run.cpu_ms or 0, run.memory_mib or 0) > 0
    again = benchmark("--from", str(tmp_path / "results.json"), "--out", str(tmp_path / "again"))
    assert again.stdout == ended.stdout
    assert (tmp_path / "again/chart.svg").read_text() == (tmp_path / "chart.svg").read_text()


@pytest.fixture
def long_run(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A benchmark whose first load takes longer than the test."""
    options = [*SHORT, "--seconds", "600", "--out", str(tmp_path)]
    with subprocess.Popen([*COMMAND, *options], cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


@with_wrk
def test_ctrl_c_leaves_no_process(long_run: subprocess.Popen[bytes]) -> None:
    top = psutil.Process(long_run.pid)

    def is_loading() -> bool:
        with suppress(psutil.NoSuchProcess):  # Those before the load end by themselves.
            return any("-d600s" in process.cmdline() for process in top.children())
        return False

    wait_until(is_loading, "the load has begun")
    below = top.children(recursive=True)
    long_run.send_signal(signal.SIGINT)
    assert long_run.wait(PATIENCE_S) == 130
    wait_until(lambda: living(below) == [], "no process is left")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["--peers", "flask"], "--peers=flask: 'flask' is none of this", id="peer"),
        pytest.param(["--rounds", "0"], "--rounds=0: allowed is a whole", id="rounds"),
        pytest.param(["--from", "none.json"], "--from=none.json: ", id="no-file"),
        pytest.param(["--from", "pyproject.toml"], "--from=pyproject.toml: ", id="no-results"),
        pytest.param(["hello"], "cannot understand 'hello'; see --help", id="argument"),
    ],
)
def test_wrong_options_are_said_in_one_line(arguments: list[str], told: str) -> None:
    ended = benchmark(*arguments)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"benchmark: {told}")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.key)
def test_peer_has_exact_versions_and_names_its_source(peer: Peer) -> None:
    assert versions_of(peer)
    if peer.requirements is not None:
        lines = peer.requirements.read_text() + (HERE / "workloads/requirements.txt").read_text()
        pins = [line for line in lines.splitlines() if not line.startswith("#")]
        assert all(re.fullmatch(r"[\w-]+==[\d.]+", pin) for pin in pins)
        assert "https://" in (HERE / "peers" / peer.folder / "server.py").read_text()


def test_growth_is_in_processes(tmp_path: Path) -> None:
    told = []
    for peer in GROWTH:
        prepare(peer, tmp_path / peer.key)
        conf = (tmp_path / peer.key / "conf/benchmark_model.conf").read_text()
        told.append((peer.environment["WORKERS"], conf.split()[-1]))
    assert told == [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")]


def test_peers_know_the_same_batch_size() -> None:
    assert f'"max_batch_size": {MAX_BATCH_SIZE}}}' in (
        (HERE / "peers/mlserver/model-settings.json").read_text()
    )


def test_environment_that_cannot_be_made_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    peer = next(peer for peer in PEERS if peer.key == "mosec")
    monkeypatch.setattr("tests.benchmark.environments.FOLDER", tmp_path)
    monkeypatch.setattr("tests.benchmark.environments.MODELS", tmp_path / "requirements.txt")
    (tmp_path / "requirements.txt").write_text("no/such/file\n")
    with pytest.raises(NotInstalled, match="no/such/file"):
        programs_of(peer)


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        pytest.param({"label": 1, "probabilities": [0.5000001]}, True, id="rounded"),
        pytest.param({"label": 2, "probabilities": [0.5]}, False, id="label"),
        pytest.param({"label": 1, "probabilities": [0.6]}, False, id="number"),
        pytest.param({"label": 1, "probabilities": []}, False, id="length"),
        pytest.param({"label": 1}, False, id="key"),
        pytest.param("label", False, id="type"),
    ],
)
def test_answer_is_compared_but_for_rounding(answer: object, is_right: bool) -> None:
    assert alike(answer, {"label": 1, "probabilities": [0.5]}) == is_right


def test_workloads_have_bodies_of_one_field() -> None:
    assert [len(workload.body()) for workload in WORKLOADS] == [1, 1, 1, 1]
