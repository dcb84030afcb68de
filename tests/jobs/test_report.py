"""What the worker of jobs reports, and what the other processes read of it."""

import os
import threading
import time
from pathlib import Path

import pytest

from model_serving.errors import ConfigError, RecordFailed
from model_serving.jobs import report
from model_serving.jobs.engine import FOLDER, Engine
from model_serving.jobs.job_metrics import JobMetrics
from model_serving.jobs.record import Record
from model_serving.jobs.report import Report, Reports
from model_serving.jobs.watch import Reporter, Watch
from model_serving.metrics import JOB_RUN, JOB_WAIT
from tests.jobs.work import accepted, claimed
from tests.services.processes import wait_until

AWAY = "The job database is not available"


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reports:
    monkeypatch.setattr(report, "_STALE_S", 600.0)
    return Reports(tmp_path / "jobs.json")


def samples(reports: Reports) -> dict[tuple[str, ...], float]:
    return {
        (sample.name.removeprefix("model_jobs"), *sample.labels.values()): sample.value
        for metric in JobMetrics(reports).collect()
        for sample in metric.samples
    }


def test_metrics_tell_what_the_worker_reports(reports: Reports) -> None:
    counts = [("AModel", "queued", 3), ("AModel", "running", 1)]
    reports.write(Report(time.monotonic(), os.getpid(), {"broker": "gone"}, counts, 12.5))
    assert samples(reports) == {
        ("", "AModel", "queued"): 3,
        ("", "AModel", "running"): 1,
        ("_oldest_queued_seconds",): 12.5,
        ("_ready", "worker"): 1,
        ("_ready", "database"): 1,
        ("_ready", "broker"): 0,
    }


def test_metrics_tell_no_numbers_that_nobody_knows(reports: Reports) -> None:
    reports.write(Report(time.monotonic(), os.getpid(), {"database": AWAY}))
    ready = {("_ready", "worker"): 1, ("_ready", "database"): 0, ("_ready", "broker"): 1}
    assert samples(reports) == ready


@pytest.mark.parametrize("is_written", [True, False], ids=["old report", "no report"])
def test_worker_without_a_fresh_report_does_not_run(
    reports: Reports, monkeypatch: pytest.MonkeyPatch, *, is_written: bool
) -> None:
    if is_written:
        reports.write(Report(time.monotonic(), os.getpid(), {}))
    assert reports.states()["worker"] == ("ready" if is_written else "loading")
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 601)
    assert reports.states() == {"worker": "the job worker does not run"}
    assert samples(reports) == {("_ready", "worker"): 0}


def test_report_tells_of_each_model_in_each_state(
    record: Record, reports: Reports, tmp_path: Path
) -> None:
    accepted(record)
    reporter = Reporter(reports, record, Engine(FOLDER, tmp_path / "broker"), ["AModel"])
    reporter.report()
    assert reports.states() == {"worker": "ready", "database": "loading", "broker": "loading"}
    reporter.database.look()
    reporter.report()
    shown = samples(reports)
    assert (shown["", "XXXModel", "queued"], shown["", "AModel", "failed"]) == (1, 0)
    assert shown["_oldest_queued_seconds",] >= 0


@pytest.mark.parametrize(
    ("error", "told"),
    [(RecordFailed(), AWAY), (ConfigError("too new"), "too new"), (OSError("a path"), "OSError")],
    ids=["ours", "settings", "unexpected"],
)
def test_watch_tells_a_fault_and_its_end(error: Exception, told: str) -> None:
    answers: list[int | Exception] = [1, error, 7]

    def ask() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = Watch(ask, "database")
    seen = []
    for _ in range(3):
        watch.look()
        seen.append((watch.fault, watch.found))
    assert seen == [("", 1), (told, None), ("", 7)]


def test_watch_tells_of_what_hangs() -> None:
    answer = threading.Event()
    watch = Watch(answer.wait, "broker", patience_s=0.1)
    looking = threading.Thread(target=watch.look)
    looking.start()
    wait_until(lambda: watch.fault == "no answer in 0.1 s", "it is known to hang")
    assert watch.found is None
    answer.set()
    looking.join()
    assert watch.fault == ""


def test_times_of_a_job_are_counted_once_where_it_ended(record: Record) -> None:
    def counted() -> list[float]:
        series = (JOB_WAIT.labels(model), JOB_RUN.labels(model, "succeeded"))
        return [
            sample.value
            for one in series
            for metric in one.collect()
            for sample in metric.samples
            if sample.name.endswith("_count")
        ]

    model = f"Counted{time.time_ns()}"
    claim = claimed(record, accepted(record, model=model).id)
    assert counted() == [0, 0]
    assert record.claims.complete(claim, b"1\n")
    assert record.claims.complete(claim, b"1\n")
    assert counted() == [1, 1]
