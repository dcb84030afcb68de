"""How much the record takes, and how long it waits."""

from dataclasses import dataclass

from model_serving.config import Config


@dataclass(frozen=True)
class Limits:
    """The bounds of the record."""

    max_jobs: int = 1000  # Queued or running at a time.
    max_attempts: int = 3  # How often a chunk is begun, by workers that died with it.
    stale_s: float = 30.0  # Without a sign of life, after which a worker counts as dead.
    max_age_s: float = 7 * 86_400.0  # How long a job is kept after its end.
    max_errors: int = 100  # Of lines, in each chunk; the count of them is not bounded.


def read_limits(config: Config) -> Limits:
    """Return the bounds that the settings give."""
    return Limits(
        max_jobs=config.max_jobs,
        max_attempts=config.max_job_attempts,
        max_age_s=config.jobs_max_age_s,
    )
