"""The metrics of several processes, each of them real."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.multiprocess import mark_process_dead
from prometheus_client.parser import text_string_to_metric_families

from model_serving import metrics
from model_serving.figures import SUFFIX, Figures
from model_serving.place import METRICS_VARIABLE, PLACE_VARIABLE, ROOT
from model_serving.serving.run_dir import RunDir
from model_serving.serving.status import GenerationStatus, ReplicaStatus, Status, write_status
from model_serving.serving.supervisor_metrics import SupervisorMetrics

COUNT = """
from model_serving import metrics
metrics.REQUESTS.labels("AModel", "200").inc(2)
metrics.LATENCY.labels("AModel").observe(0.003)
metrics.IN_FLIGHT.labels("AModel").set(3)
"""
SHOW = """
import sys
from model_serving import metrics
sys.stdout.buffer.write(metrics.exposition())
"""
SHOW_OF_SUPERVISOR = """
import sys
from pathlib import Path
from model_serving import metrics
from model_serving.serving.replica_metrics import ReplicaMetrics
from model_serving.serving.run_dir import RunDir
from model_serving.serving.supervisor_metrics import SupervisorMetrics
sys.stdout.buffer.write(metrics.exposition([SupervisorMetrics(RunDir(Path(sys.argv[1])))]))
"""
SHOW_OF_REPLICAS = SHOW_OF_SUPERVISOR.replace("SupervisorMetrics", "ReplicaMetrics").replace(
    "supervisor_metrics", "replica_metrics"
)
Samples = dict[tuple[str, str], float]


def run(script: str, folder: Path | None, place: str | None = None, *arguments: str) -> bytes:
    """Run a script in a process of its own; return what it prints."""
    ours = (METRICS_VARIABLE, PLACE_VARIABLE)
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    if folder is not None:
        environment[METRICS_VARIABLE] = str(folder)
    if place is not None:
        environment[PLACE_VARIABLE] = place
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout


def samples(text: bytes) -> Samples:
    return {
        (sample.name, sample.labels.get("model", "")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if "le" not in sample.labels
    }


def test_exposition_of_a_lone_process_holds_its_own_metrics() -> None:
    shown = samples(run(COUNT + SHOW, None))
    assert shown["model_requests_total", "AModel"] == 2
    assert shown["model_queue_depth", "AModel"] == 3
    assert shown["model_request_seconds_sum", "AModel"] == 0.003


def test_exposition_adds_up_all_processes(tmp_path: Path) -> None:
    for place in ("http-0", "http-1", "AModel-0-1"):
        run(COUNT, tmp_path, place)
    shown = samples(run(SHOW, tmp_path, "http-2"))
    assert shown["model_requests_total", "AModel"] == 6
    assert shown["model_request_seconds_count", "AModel"] == 3
    assert shown["model_queue_depth", "AModel"] == 9


def test_place_goes_on_counting_after_a_restart(tmp_path: Path) -> None:
    for _ in range(3):
        run(COUNT, tmp_path, "http-0")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"counter_http-0.db", "histogram_http-0.db", "gauge_livesum_http-0.db"}
    shown = samples(run(SHOW, tmp_path, "http-1"))
    assert shown["model_requests_total", "AModel"] == 6
    assert shown["model_queue_depth", "AModel"] == 3


def test_queue_depth_of_a_dead_place_counts_no_more(tmp_path: Path) -> None:
    run(COUNT, tmp_path, "http-0")
    run(COUNT, tmp_path, "http-1")
    mark_process_dead("http-0", str(tmp_path))
    shown = samples(run(SHOW, tmp_path, "http-2"))
    assert shown["model_queue_depth", "AModel"] == 3
    assert shown["model_requests_total", "AModel"] == 4


def test_process_without_a_place_is_named_by_its_id(tmp_path: Path) -> None:
    run(COUNT, tmp_path)
    (counter,) = tmp_path.glob("counter_*")
    assert counter.name.removeprefix("counter_process-").removesuffix(".db").isdigit()


@pytest.mark.parametrize(("folder", "is_shown"), [("metrics", True), (None, False)], ids=str)
def test_exposition_holds_what_the_supervisor_knows(
    tmp_path: Path, folder: str | None, is_shown: bool
) -> None:
    run_dir = RunDir(tmp_path)
    run_dir.metrics.mkdir()
    replicas = [ReplicaStatus(0, "ready", restarts=4), ReplicaStatus(1)]
    write_status(run_dir.status, Status(1, [GenerationStatus(1, {"AModel": replicas})]))
    where = folder and run_dir.metrics
    text = run(SHOW_OF_SUPERVISOR, where or None, "http-0", str(tmp_path))
    expected = (1, 4) if is_shown else (None, None)
    shown = samples(text)
    assert shown.get(("model_replicas_ready", "AModel")) == expected[0]
    assert shown.get(("model_replica_restarts_total", "AModel")) == expected[1]


def test_exposition_adds_up_the_figures_of_replicas(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    run_dir.metrics.mkdir()
    for place in ("AModel-0-0", "AModel-0-1", "AModel-1-0", "BModel-0-0"):
        figures = Figures(run_dir.metrics / f"{place}{SUFFIX}")
        figures.batch_size.observe(3)
        figures.inference.observe(0.002)
        figures.drop("caller left")
    text = run(SHOW_OF_REPLICAS, run_dir.metrics, "http-0", str(tmp_path)).decode()
    assert 'model_batch_size_bucket{le="2.0",model="AModel",replica="0"} 0.0' in text
    assert 'model_batch_size_bucket{le="4.0",model="AModel",replica="0"} 2.0' in text
    assert 'model_batch_size_bucket{le="+Inf",model="AModel",replica="1"} 1.0' in text
    assert 'model_inference_seconds_count{model="AModel"} 3.0' in text
    assert 'model_inference_seconds_sum{model="BModel"} 0.002' in text
    assert 'model_instances_dropped_total{model="AModel",why="caller left"} 3.0' in text


def test_exposition_in_this_process_is_the_format_of_prometheus(tmp_path: Path) -> None:
    shown = samples(metrics.exposition([SupervisorMetrics(RunDir(tmp_path))]))
    assert all(name.startswith("model_") for name, _ in shown)
    assert metrics.CONTENT_TYPE.startswith("text/plain; version=")
