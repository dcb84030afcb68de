"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    _make_jobs()
    _make_chunks()
    _make_callbacks()


def downgrade() -> None:
    """Remove them, with all that is in them."""
    for name in ("callbacks", "chunks", "jobs"):
        op.drop_table(name)


def _make_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("chunks", sa.Integer, nullable=False),
        sa.Column("result_bytes", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_s", sa.Double, nullable=False),
        sa.Column("started_s", sa.Double),
        sa.Column("ended_s", sa.Double),
        sa.Column("heartbeat_s", sa.Double, nullable=False),
        sa.Column("idempotency_key", sa.Text, unique=True),
        sa.Column("body_sha256", sa.Text, nullable=False),
        sa.Column("callback_url", sa.Text),
        sa.Column("error", sa.JSON),
    )
    op.create_index("jobs_by_state", "jobs", ["state", "id"])
    op.create_index("jobs_by_model", "jobs", ["model", "state", "id"])
    op.create_index("jobs_by_end", "jobs", ["ended_s"])


def _make_chunks() -> None:
    job_id = sa.ForeignKey("jobs.id", ondelete="CASCADE")
    op.create_table(
        "chunks",
        sa.Column("job_id", sa.String(32), job_id, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("first_line", sa.BigInteger, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("claim", sa.Text),
        sa.Column("heartbeat_s", sa.Double),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("input", sa.LargeBinary),
        sa.Column("output", sa.LargeBinary),
        sa.Column("errors", sa.JSON),
    )
    op.create_index("chunks_by_state", "chunks", ["job_id", "state", "number"])
    running = sa.text("state = 'running'")
    op.create_index(
        "chunks_running",
        "chunks",
        ["heartbeat_s"],
        sqlite_where=running,
        postgresql_where=running,
    )


def _make_callbacks() -> None:
    job_id = sa.ForeignKey("jobs.id", ondelete="CASCADE")
    op.create_table(
        "callbacks",
        sa.Column("job_id", sa.String(32), job_id, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_s", sa.Double, nullable=False),
        sa.Column("last_error", sa.Text),
    )
    op.create_index("callbacks_by_time", "callbacks", ["state", "next_s"])
