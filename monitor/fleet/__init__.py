"""Forwarding to the PostgreSQL of a fleet: local SQLite first, always, and then a copy."""
