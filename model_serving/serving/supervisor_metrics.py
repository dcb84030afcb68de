"""What the supervisor knows, as metrics."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from model_serving.serving.run_dir import RunDir
from model_serving.serving.status import read_status


class SupervisorMetrics(Collector):
    """Reads the supervisor's status whenever metrics are asked for."""

    def __init__(self, run_dir: RunDir) -> None:
        self._run_dir = run_dir

    def collect(self) -> Iterator[Metric]:
        """Return the replicas of each model that are ready, and how often they were restarted."""
        ready = GaugeMetricFamily("model_replicas_ready", "Replicas that serve.", labels=["model"])
        restarts = CounterMetricFamily(
            "model_replica_restarts", "Replicas that were started again.", labels=["model"]
        )
        status = read_status(self._run_dir.status)
        current = status.generation(status.current).models if status else {}
        for name, replicas in current.items():
            ready.add_metric([name], sum(replica.state == "ready" for replica in replicas))
            restarts.add_metric([name], sum(replica.restarts for replica in replicas))
        yield from (ready, restarts)
