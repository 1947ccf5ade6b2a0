"""The Alembic environment and its versions, which go forward only; `monitor.store.upgrade` runs them."""
