"""The Alembic environment and its versions; `monitor.store.connection` runs them. There are no downgrades.

A script imports neither the program nor other scripts but repeats their columns, rules and formats on purpose: what a
released script does to a database must not change.
"""
