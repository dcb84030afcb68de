"""The errors of the service, each with its HTTP status and default message.

::

    ServiceError                500
    ├── BadRequest              400
    │   ├── NoJSONObject
    │   └── InvalidBody
    ├── NoJob                   404
    ├── NoResult                409
    ├── TooLarge                413
    ├── KeyReused               422
    ├── CallerLeft              499
    ├── ModelFailed             500
    ├── Unavailable             503       has a time after which to call again
    │   ├── ModelNotReady
    │   ├── Overloaded
    │   ├── TooManyJobs         429
    │   ├── RecordFailed
    │   ├── EngineFailed
    │   └── StorageFailed
    ├── DeadlineExceeded        504
    └── StorageFull             507

Code anywhere below raises them; ``web/api.py`` alone turns them into responses. An error that is
not in this tree is logged with the request id and answered 500 without detail.

``ConfigError`` and ``DeclarationError`` stand apart: they stop the start and never meet a caller.
"""

from typing import ClassVar

NOT_HTTP = "The request is not valid HTTP"  # What a caller is told whose request breaks off.


class ServiceError(Exception):
    """Base of what a caller may be told: a status, and a message safe to show.

    ``path`` is the JSON pointer (RFC 6901) of a field at fault, empty where it is none of them.
    """

    status: ClassVar[int] = 500
    default_message: ClassVar[str] = "Internal server error"

    def __init__(self, message: str | None = None, path: str = "") -> None:
        self.message = message or self.default_message
        self.path = path
        super().__init__(self.message)


class BadRequest(ServiceError):
    """The request cannot be answered as it is."""

    status = 400
    default_message = "Bad request"


class NoJSONObject(BadRequest):
    """The request has no body, or one that is not declared as JSON."""

    default_message = "No JSON object"


class InvalidBody(BadRequest):
    """The body breaks its schema, or a field of it cannot be used."""

    default_message = "The body is not valid"


class NoJob(ServiceError):
    """No job has the id that a caller gave."""

    status = 404
    default_message = "There is no job of this id, or no longer"


class NoResult(ServiceError):
    """The job has no result, or none yet."""

    status = 409
    default_message = "The job has no result"


class TooLarge(ServiceError):
    """The request holds more than is allowed."""

    status = 413
    default_message = "The request is too large"


class KeyReused(ServiceError):
    """The idempotency key belongs to a job of another request."""

    status = 422
    default_message = "The Idempotency-Key was used for another request"


class ModelFailed(ServiceError):
    """The model raised, or broke its contract. The cause is logged and not shown."""

    default_message = "The model failed"


class CallerLeft(ServiceError):
    """The caller closed its connection, so nobody gets this answer; nginx logs the same status."""

    status = 499
    default_message = "The caller left"


class Unavailable(ServiceError):
    """Not now, but perhaps after ``retry_after_s``, a whole number of seconds."""

    status = 503
    default_message = "Not available"

    def __init__(self, message: str | None = None, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ModelNotReady(Unavailable):
    """The model is not loaded."""

    default_message = "The model is not ready"


class Overloaded(Unavailable):
    """There are as many requests in flight as are allowed."""

    default_message = "Too many requests"


class TooManyJobs(Unavailable):
    """There are as many jobs queued or running as are allowed."""

    status = 429
    default_message = "Too many jobs"


class RecordFailed(Unavailable):
    """The database of jobs cannot be used. The cause is logged."""

    default_message = "The job database is not available"


class StorageFailed(Unavailable):
    """A file of the answer cannot be kept, or a kept one not be read. The cause is logged."""

    default_message = "The storage of result files is not available"


class EngineFailed(Unavailable):
    """The broker of jobs cannot be reached. The cause is logged."""

    default_message = "The job broker is not available"


class DeadlineExceeded(ServiceError):
    """The answer did not come within ``timeout_s``, or the time that the caller gave."""

    status = 504
    default_message = "The model did not answer in time"


class StorageFull(ServiceError):
    """There is no room for a file, of the request or of its answer, or for a job."""

    status = 507
    default_message = "There is no room for files"


class ConfigError(Exception):
    """A setting is wrong: the message names the key, the value and what is allowed."""


class DeclarationError(Exception):
    """A resource's declaration is wrong: the message names the resource."""
