"""The database: the only home of SQLAlchemy and Alembic.

`spool` and `database_file` import neither and may be used before a test.

May import: analysis, config, system, model, localtime, errors, netns.probe.
"""
