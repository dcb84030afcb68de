"""What the replicas count, as metrics."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from model_serving.figures import SUFFIX, Figures, Histogram
from model_serving.serving.run_dir import RunDir


class ReplicaMetrics(Collector):
    """Reads the figures of all replicas, those that have ended too, when metrics are asked for."""

    def __init__(self, run_dir: RunDir) -> None:
        self._run_dir = run_dir

    def collect(self) -> Iterator[Metric]:
        """Return the metrics of each model and replica; a generation's replica has two places."""
        inference = HistogramMetricFamily(
            "model_inference_seconds", "Time that one batch takes.", labels=["model"]
        )
        queue_wait = HistogramMetricFamily(
            "model_queue_wait_seconds",
            "From an instance's way to a replica to its prediction's begin.",
            labels=["model"],
        )
        batch_size = HistogramMetricFamily(
            "model_batch_size", "Instances in one batch.", labels=["model", "replica"]
        )
        dropped = CounterMetricFamily(
            "model_instances_dropped",
            "Instances that were not predicted, because nobody waited for them any more.",
            labels=["model", "why"],
        )
        replicas: dict[tuple[str, str], list[Figures]] = {}
        models: dict[str, list[Figures]] = {}
        for path in sorted(self._run_dir.metrics.glob(f"*{SUFFIX}")):
            model, index, _ = path.stem.rsplit("-", 2)
            figures = Figures(path)
            replicas.setdefault((model, index), []).append(figures)
            models.setdefault(model, []).append(figures)
        for (model, index), places in replicas.items():
            _add(batch_size, [model, index], [figures.batch_size for figures in places])
        for model, places in models.items():
            _add(inference, [model], [figures.inference for figures in places])
            _add(queue_wait, [model], [figures.queue_wait for figures in places])
            for why in places[0].dropped:
                dropped.add_metric([model, why], sum(figures.dropped[why] for figures in places))
        yield from (inference, queue_wait, batch_size, dropped)


def _add(family: HistogramMetricFamily, labels: list[str], histograms: list[Histogram]) -> None:
    bounds = [*map(floatToGoString, histograms[0].bounds), "+Inf"]
    counts = map(sum, zip(*(histogram.counts for histogram in histograms), strict=True))
    buckets = list(zip(bounds, accumulate(counts), strict=True))
    family.add_metric(labels, buckets, sum(histogram.sum for histogram in histograms))
