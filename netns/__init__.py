"""Builds, checks and enters the IPv4-only network namespace. Knows nothing about speed tests.

May import: nothing of this program.
"""
