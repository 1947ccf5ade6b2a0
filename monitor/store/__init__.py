"""The store: Core tables, connections, writes and reads. The only home of sqlalchemy; alembic only in `upgrade`."""
