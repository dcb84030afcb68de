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

from model_serving.figures import SECONDS
from model_serving.place import METRICS_VARIABLE, PLACE_VARIABLE

CONTENT_TYPE = CONTENT_TYPE_LATEST

_JOB_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 14_400, 86_400)

# One of its own, as this module may be imported again after a fork.
_registry = CollectorRegistry()
if METRICS_VARIABLE in os.environ:
    _place = os.environ.get(PLACE_VARIABLE, f"process-{os.getpid()}")
    values.ValueClass = values.MultiProcessValue(lambda: _place)

REQUESTS = Counter("model_requests", "Requests answered.", ["model", "status"], registry=_registry)
LATENCY = Histogram(
    "model_request_seconds",
    "From a request to its answer.",
    ["model"],
    buckets=SECONDS,
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
RETRIED = Counter(
    "model_instances_retried",
    "Instances sent again, their replica gone.",
    ["model"],
    registry=_registry,
)
JOB_WAIT = Histogram(
    "model_job_wait_seconds",
    "From a job's acceptance to its begin, of the jobs that ended on this node.",
    ["model"],
    buckets=_JOB_SECONDS,
    registry=_registry,
)
JOB_RUN = Histogram(
    "model_job_run_seconds",
    "From a job's begin, on whatever node, to its end, of the jobs that ended on this node.",
    ["model", "state"],
    buckets=_JOB_SECONDS,
    registry=_registry,
)
JOB_CHUNKS = Counter(
    "model_job_chunks",
    "Chunks of jobs that this node has done.",
    ["model"],
    registry=_registry,
)
JOB_INSTANCES = Counter(
    "model_job_instances",
    "Instances of jobs that this node has done, well or with an error.",
    ["model", "outcome"],
    registry=_registry,
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
