"""Jobs over HTTP: handed in, looked at, cancelled, and their results fetched."""

from collections.abc import Iterator
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from flask_restful import Resource

from model_serving.errors import NoResult
from model_serving.jobs.summary import told
from model_serving.web.documentation import Answer, Documentation, documented
from model_serving.web.job_answer import (
    PAGE_SCHEMA,
    SCHEMA,
    STATES,
    WHOLE_SCHEMA,
    csv_of,
    told_whole,
)
from model_serving.web.job_intake import Jobs, there
from model_serving.web.query import check_known, chosen, whole_number

MOST_LISTED = 500
_LISTED = 50
_TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv"}


class ModelJobs(Resource):
    """The jobs of one model."""

    def __init__(self, jobs: Jobs, model: str) -> None:
        self._jobs = jobs
        self._model = model

    def post(self) -> Any:
        """Accept a job: the model's own body, a list of them, or a file."""
        return self._jobs.hand_in(self._model)


class JobList(Resource):
    """All jobs, newest first."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    @documented(
        Documentation(
            "List the jobs, newest first",
            {200: Answer("A page of them", PAGE_SCHEMA)},
            errors=(400, 500, 503),
            query={
                "model": "Of this model alone",
                "state": {"enum": list(STATES)},
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MOST_LISTED,
                    "default": _LISTED,
                },
                "cursor": {
                    "type": "string",
                    "pattern": "^[0-9a-f]{32}$",
                    "description": "Where the page begins; `next` of the page before has it",
                },
            },
        )
    )
    def get(self) -> Any:
        """List them by model and state, a page at a time."""
        check_known("model", "state", "limit", "cursor")
        asked: dict[str, Any] = {
            "model": chosen("model", self._jobs.scorers),
            "state": chosen("state", STATES),
            "limit": whole_number("limit", _LISTED, MOST_LISTED),
        }
        page = self._jobs.desk.record.page(**asked, cursor=request.args.get("cursor"))
        wanted = {key: value for key, value in asked.items() if value} | {"cursor": page.cursor}
        following = f"/v1/jobs?{urlencode(wanted)}" if page.cursor else None
        return {"jobs": [told(job) for job in page.jobs], "next": following}


class OneJob(Resource):
    """A job."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    @documented(
        Documentation(
            "Look at a job", {200: Answer("The job", WHOLE_SCHEMA)}, errors=(404, 500, 503)
        )
    )
    def get(self, job_id: str) -> Any:
        """Return its state, its progress, and its result or where that is."""
        return told_whole(self._jobs.found(job_id), self._jobs.desk.record.results)

    @documented(
        Documentation(
            "Cancel a job, also a running one",
            {200: Answer("The job, which stays as it is if it has ended before", SCHEMA)},
            errors=(404, 500, 503, 507),
        )
    )
    def delete(self, job_id: str) -> Any:
        """Cancel it, if it has not ended."""
        return told(there(self._jobs.desk.record.cancel(job_id)))


class JobResult(Resource):
    """What came of a job, an answer for each instance, in their order."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    @documented(
        Documentation(
            "Fetch the result of a job that succeeded",
            {200: Answer("JSON Lines or, if `Accept` or `format` says so, CSV")},
            errors=(400, 404, 409, 500, 503),
            query={"format": {"enum": list(_TYPES)}},
        )
    )
    def get(self, job_id: str) -> Response:
        """Answer the lines, which may be many, or a table of them."""
        check_known("format")
        preferred = request.accept_mimetypes.best_match(_TYPES.values(), _TYPES["jsonl"])
        format_ = chosen("format", _TYPES) or ("csv" if preferred == _TYPES["csv"] else "jsonl")
        job, results = self._jobs.found(job_id), self._jobs.desk.record.results
        if job.state != "succeeded":
            raise NoResult(f"The job is {job.state}, and only one that succeeded has a result")
        is_csv = format_ == "csv"
        parts = csv_of(lambda: results.outputs(job.id)) if is_csv else results.outputs(job.id)
        response = Response(_begun(parts), mimetype=_TYPES[format_])
        if not is_csv:
            response.content_length = job.result_bytes
        name = f"{job.id}.{format_}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        response.headers["Vary"] = "Accept"
        return response


def _begun(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first part, so that what fails is told of before the response begins."""
    return chain([next(parts, b"")], parts)
