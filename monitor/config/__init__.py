"""The configuration: what can be set, reading it, and where files go.

May import: errors.
"""
