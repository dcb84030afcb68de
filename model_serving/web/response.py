"""What every response carries and leaves behind, on whichever way it was made."""

import logging
from functools import cache
from typing import Any

from prometheus_client import Counter, Histogram

from model_serving import metrics
from model_serving.errors import BadRequest, ServiceError, Unavailable

TIMEOUT_HEADER = "X-Request-Timeout-Ms"


def timeout_s(sent: str | None) -> float | None:
    """Read how long the caller waits for an answer, if it says so.

    Raises:
        BadRequest: it says something that is no time.
    """
    if sent is None:
        return None
    if not (sent.isascii() and sent.isdigit() and float(sent) > 0):
        raise BadRequest(f"{TIMEOUT_HEADER} must be a whole number above 0, not {sent!r}")
    return float(sent) / 1000


@cache
def _counter(model_name: str, status: int) -> Counter:
    return metrics.REQUESTS.labels(model_name, str(status))


@cache
def _latency(model_name: str) -> Histogram:
    return metrics.LATENCY.labels(model_name)


def error_response(
    error: Exception, id_: str, log: logging.Logger
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Return the body, status and headers that tell of an error; log what is not told."""
    told = error if isinstance(error, ServiceError) else ServiceError()
    if told is not error or error.__cause__ is not None:
        log.error("request %s failed", id_, exc_info=error)
    body = {"message": told.message}
    if told.path:
        body["path"] = told.path
    headers = {"Retry-After": str(told.retry_after_s)} if isinstance(told, Unavailable) else {}
    return body, told.status, headers


def record_prediction(model_name: str, status: int, taken_s: float) -> None:
    """Count a request to a model."""
    _counter(model_name, status).inc()
    _latency(model_name).observe(taken_s)
