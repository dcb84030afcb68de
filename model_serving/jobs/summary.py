"""A job as its caller sees it: in answers, and in the call at its end."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # HTTP workers load what is behind it when a caller asks for a job.
    from model_serving.jobs.job import Job

PRIORITIES = ("low", "high")


def job_url(job_id: str) -> str:
    """Return where a job is."""
    return f"/v1/jobs/{job_id}"


def told(job: "Job") -> dict[str, Any]:
    """Return what is told of a job in few words, as in a list of them."""
    return {
        "id": job.id,
        "model": job.model,
        "state": job.state,
        "priority": PRIORITIES[job.priority],
        "progress": {"total": job.total, "done": job.done, "failed": job.failed},
        "attempts": job.attempts,
        "created": _time(job.created_s),
        "started": _time(job.started_s),
        "ended": _time(job.ended_s),
        "error": job.error and {key: value for key, value in job.error.items() if value},
        "links": {"self": job_url(job.id), "result": f"{job_url(job.id)}/result"},
    }


def _time(time_s: float | None) -> str | None:
    return None if time_s is None else datetime.fromtimestamp(time_s, UTC).isoformat()
