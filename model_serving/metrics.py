"""The metrics of all processes, in the format of Prometheus.

Each process keeps its own in a file of ``PROMETHEUS_MULTIPROC_DIR``, and ``/metrics`` adds them up.
Files are named by a place in the service (``http-0``, ``XXXModel-0``) instead of a process id:
whoever takes the place over goes on with its file, so that counters never go back and files do not
pile up.
"""

import os
from collections.abc import Iterable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from model_serving.place import METRICS_VARIABLE, PLACE_VARIABLE

CONTENT_TYPE = CONTENT_TYPE_LATEST

# One of its own, as this module may be imported again after a fork.
_registry = CollectorRegistry()
if METRICS_VARIABLE in os.environ:
    _place = os.environ.get(PLACE_VARIABLE, f"process-{os.getpid()}")
    values.ValueClass = values.MultiProcessValue(lambda: _place)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUESTS = Counter("model_requests", "Requests answered.", ["model", "status"], registry=_registry)
LATENCY = Histogram(
    "model_request_seconds",
    "From a request to its answer.",
    ["model"],
    buckets=_SECONDS,
    registry=_registry,
)
IN_FLIGHT = Gauge(
    "model_queue_depth",
    "Requests in flight: sent to replicas, not answered yet.",
    ["model"],
    multiprocess_mode="livesum",
    registry=_registry,
)
SHED = Counter(
    "model_requests_shed",
    "Requests refused because too many are in flight.",
    ["model"],
    registry=_registry,
)
EXPIRED = Counter(
    "model_requests_expired",
    "Requests not answered by their deadline.",
    ["model"],
    registry=_registry,
)
DROPPED = Counter(
    "model_instances_dropped",
    "Instances that were not predicted, because nobody waited for them any more.",
    ["model", "why"],
    registry=_registry,
)
RETRIED = Counter(
    "model_instances_retried",
    "Instances sent again, their replica gone.",
    ["model"],
    registry=_registry,
)
QUEUE_WAIT = Histogram(
    "model_queue_wait_seconds",
    "From an instance's way to a replica to its prediction's begin.",
    ["model"],
    buckets=_SECONDS,
    registry=_registry,
)
INFERENCE = Histogram(
    "model_inference_seconds",
    "Time that one batch takes.",
    ["model"],
    buckets=_SECONDS,
    registry=_registry,
)
BATCH_SIZE = Histogram(
    "model_batch_size",
    "Instances in one batch.",
    ["model", "replica"],
    registry=_registry,
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)


def exposition(collectors: Iterable[Collector] = ()) -> bytes:
    """Return the metrics of all processes, and of these collectors, in the text format."""
    if METRICS_VARIABLE not in os.environ:
        return bytes(generate_latest(_registry))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    for collector in collectors:
        registry.register(collector)
    return bytes(generate_latest(registry))
