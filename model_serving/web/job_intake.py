"""The jobs that callers hand in over HTTP: what is asked of them, and where they go."""

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from model_serving.errors import BadRequest, ConfigError, NoJob, Unavailable
from model_serving.jobs.summary import PRIORITIES, job_url, told
from model_serving.json_text import json_bytes
from model_serving.web.job_body import JobBody, read_job
from model_serving.web.query import check_known, chosen
from model_serving.web.request import current_request
from model_serving.web.scoring import Scorer

if TYPE_CHECKING:  # The room takes 30 MB: it is loaded when a caller asks for a job.
    from model_serving.jobs.desk import Desk
    from model_serving.jobs.job import Job

KEY_HEADER = "Idempotency-Key"
KEY = re.compile(r"[!-~]{1,255}")
CALLBACK_URL = "callback_url"
PRIORITY = "priority"
_log = logging.getLogger("jobs")
_NO_WORKER = (
    "Nobody here does jobs: start the service by bin/start.sh with models in processes of their "
    "own, or name a database_url that workers of bin/worker.sh use"
)


class Jobs:
    """The jobs of the service; the desk is opened when it is first asked."""

    def __init__(
        self,
        open_desk: Callable[[], "Desk"] | None,
        scorers: Mapping[str, Scorer],
        check_callback: Callable[[str], None],
    ) -> None:
        """Take jobs for models by name, unless there is no desk, as nobody would do them.

        ``check_callback`` raises where a URL cannot be called.
        """
        self._open_desk = open_desk
        self._check_callback = check_callback
        self.scorers = scorers

    @property
    def are_done(self) -> bool:
        """Whether somebody may do them."""
        return self._open_desk is not None

    @cached_property
    def desk(self) -> "Desk":
        """Where jobs are accepted, and asked for.

        Raises:
            Unavailable: there is none, or its settings are wrong.
        """
        if self._open_desk is None:
            raise Unavailable(_NO_WORKER)
        try:
            return self._open_desk()
        except ConfigError as error:
            _log.error("%s", error)
            raise Unavailable("The jobs are set up wrong: the log says how") from None

    def hand_in(self, model: str) -> tuple[dict[str, Any], int, dict[str, str]]:
        """Accept the present request as a job, and return the response.

        Raises:
            ServiceError: it cannot be done, or not now.
        """
        asked = current_request()
        check_known(PRIORITY, CALLBACK_URL)
        priority = chosen(PRIORITY, PRIORITIES) or "low"
        key = asked.headers.get(KEY_HEADER)
        if key is not None and not KEY.fullmatch(key):
            raise BadRequest(f"{KEY_HEADER} must be 1 to 255 visible letters of ASCII")
        callback_url = asked.args.get(CALLBACK_URL)
        if callback_url is not None:
            self._check_callback(callback_url)
        desk = self.desk
        with read_job(asked, self.scorers[model]) as body:
            job = desk.hand_in(
                model=model,
                kind=body.kind,
                format=body.format,
                body_sha256=_sha256(model, priority, callback_url, body),
                chunks=body.chunks,
                priority=PRIORITIES.index(priority),
                idempotency_key=key,
                callback_url=callback_url,
            ).job
        return told(job), 202, {"Location": job_url(job.id)}

    def found(self, job_id: str) -> "Job":
        """Return a job.

        Raises:
            NoJob: there is none of this id.
            RecordFailed: the database cannot be used.
        """
        return there(self.desk.record.find(job_id))


def there(job: "Job | None") -> "Job":
    """Return a job that was looked for.

    Raises:
        NoJob: it was not found.
    """
    if job is None:
        raise NoJob
    return job


def _sha256(model: str, priority: str, callback_url: str | None, body: JobBody) -> str:
    """Return what is the same for the same request alone."""
    asked = [model, priority, callback_url, body.kind, body.format, body.sha256]
    return hashlib.sha256(json_bytes(asked)).hexdigest()
