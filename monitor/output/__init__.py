"""How runs are written for people and for programs: units, terminal tables, JSON, CSV, Parquet.

May import: model, errors, netns.probe.
"""
