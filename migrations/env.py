"""Alembic's environment: runs the scripts on the connection that `monitor.store.connection` passes in.

The transaction is the caller's, so either all scripts are applied or none.
"""

from __future__ import annotations

from alembic import context

from monitor.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column only by rebuilding its table
    transactional_ddl=True,
)

context.run_migrations()
