"""The tables of the record. A change of them needs a new version in ``migrations/versions``.

Times are seconds since 1970. A job's counters are of instances, ``done`` among them the ``failed``.
"""

import sqlalchemy as sa

metadata = sa.MetaData()
is_running = sa.text("state = 'running'")  # SQLite needs these words to find the index of it.

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),  # Sorts by the time of creation.
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),  # 0 low, 1 high
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("done", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Column("chunks", sa.Integer, nullable=False),  # How many there are.
    sa.Column("result_bytes", sa.BigInteger, nullable=False),  # Of all outputs so far.
    sa.Column("attempts", sa.Integer, nullable=False),  # How often it was begun, or begun again.
    sa.Column("created_s", sa.Double, nullable=False),
    sa.Column("started_s", sa.Double),
    sa.Column("ended_s", sa.Double),
    sa.Column("heartbeat_s", sa.Double, nullable=False),  # When it last had a turn.
    sa.Column("idempotency_key", sa.Text, unique=True),
    sa.Column("body_sha256", sa.Text, nullable=False),
    sa.Column("callback_url", sa.Text),
    sa.Column("error", sa.JSON(none_as_null=True)),  # {"message": ..., "path": ...}
    sa.Index("jobs_by_state", "state", "id"),
    sa.Index("jobs_by_model", "model", "state", "id"),
    sa.Index("jobs_by_end", "ended_s"),
)

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("first_line", sa.BigInteger, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("claim", sa.Text),  # The token of who works on it, or has done it.
    sa.Column("heartbeat_s", sa.Double),
    sa.Column("attempts", sa.Integer, nullable=False),
    # The large ones last: SQLite walks through what is before a column to read it.
    sa.Column("input", sa.LargeBinary),  # Nobody needs it once the chunk is done.
    sa.Column("output", sa.LargeBinary),
    sa.Column("errors", sa.JSON(none_as_null=True)),  # [{"line": ..., "message": ..., "path": ...}]
    sa.Index("chunks_by_state", "job_id", "state", "number"),
    sa.Index(
        "chunks_running",
        "heartbeat_s",
        sqlite_where=is_running,
        postgresql_where=is_running,
    ),
)

# Apart from the jobs, so that what has ended never changes.
callbacks = sa.Table(
    "callbacks",
    metadata,
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # waiting, delivered, given_up
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_s", sa.Double, nullable=False),
    sa.Column("last_error", sa.Text),
    sa.Index("callbacks_by_time", "state", "next_s"),
)
