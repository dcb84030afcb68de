"""Run by Alembic: apply the versions on the connection that ``jobs/migration.py`` has locked.

A new version is a file in ``versions``, written by hand, whose ``down_revision`` is the one before.
A test holds what they make and ``jobs/tables.py`` together. A version that was released stays as it
is; other processes may still run the code before it, so it adds, and takes away one release later.
"""

from alembic import context

from model_serving.jobs.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite can change few things of a table in place.
    transactional_ddl=True,  # It can take back the making of a table, though.
)
with context.begin_transaction():
    context.run_migrations()
