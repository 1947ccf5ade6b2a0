"""The Alembic environment and its versions; `monitor.store.upgrade` runs them, no ini file is needed."""
