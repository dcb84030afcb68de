"""What the worker of jobs reports, as metrics; what it counts itself is in ``metrics``."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from model_serving.jobs.report import READY, Reports


class JobMetrics(Collector):
    """Reads the last report whenever metrics are asked for."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    def collect(self) -> Iterator[Metric]:
        """Return the jobs of the database, none while nobody knows, and what can be used."""
        jobs = GaugeMetricFamily(
            "model_jobs",
            "Jobs in the database, of which all nodes that share it tell the same.",
            labels=["model", "state"],
        )
        oldest = GaugeMetricFamily(
            "model_jobs_oldest_queued_seconds",
            "For how long one of the jobs has been waiting for a worker, at most; 0 without any.",
        )
        ready = GaugeMetricFamily(
            "model_jobs_ready",
            "Whether this node's job worker runs, and can use the database and the broker.",
            labels=["part"],
        )
        report = self._reports.last()
        if report and report.counts is not None:
            for model, state, count in report.counts:
                jobs.add_metric([model, state], count)
            oldest.add_metric([], report.oldest_queued_s)
        for part, state in self._reports.states().items():
            ready.add_metric([part], state == READY)
        yield from (jobs, oldest, ready)
