"""The Alembic environment and its versions, which go forward only; `monitor.store.upgrade` runs them.

A script repeats columns, rules and formats of the program and of other scripts on purpose, and imports neither: what it
does to a database must not change when they do.
"""
