"""What a node says of its surroundings."""

import pytest

from model_serving.node import why_not, without_secrets
from model_serving.serving.status import GenerationStatus, ReplicaStatus


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("filesystem://", "filesystem://"),
        ("sqlite:///data/jobs.db", "sqlite:///data/jobs.db"),
        ("postgresql://me:s3cret@db:5432/jobs?sslmode=require", "postgresql://db:5432/jobs"),
        ("postgresql://db/jobs?user=me&password=s3cret", "postgresql://db/jobs"),
        ("redis://:s3cr@et@a;redis://:s3cret@b/0", "redis://b/0"),
        ("amqp://me:s3cr?et@host//", "amqp"),
    ],
)
def test_url_is_told_without_secrets(url: str, told: str) -> None:
    assert without_secrets(url) == told


def test_model_has_failed_when_no_replica_is_left() -> None:
    models = {
        "Good": [ReplicaStatus(0, "ready"), ReplicaStatus(1, "failed", last_error="no memory")],
        "Bad": [ReplicaStatus(0, "failed", last_error="no weights")],
    }
    known = GenerationStatus(1, models)
    assert why_not(known, "Good") is None
    assert why_not(known) == why_not(known, "Bad") == "Bad cannot be loaded: no weights"
    assert why_not(GenerationStatus(1, error="no list")) == "no list"
