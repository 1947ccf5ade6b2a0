"""What speedmon tells a user instead of a traceback, each with its exit code and whether a retry makes sense.

    SpeedmonError             unexpected                                          exit 1
    ├── ConfigError           the configuration cannot be read or has mistakes    exit 2
    ├── UsageError            an argument that cannot be used                     exit 2
    ├── StoreError            the database cannot be opened, read or written      exit 2
    │   ├── StoreFullError    no room to write; the result was kept elsewhere     exit 1, retry
    │   ├── StoreBusyError    another process holds the database for too long     exit 1, retry
    │   └── StoreRejectedError  a run with a value that the schema refuses        exit 1
    ├── EngineError           an engine cannot do what was asked of it            exit 1
    ├── OutputError           a file that was asked for cannot be written         exit 1
    └── ServeError            the daemon cannot start                             exit 1

A failed speed test is no error but a result: it is stored, and `collect` exits with 3 (see `monitor.model.Failure`).
Errors of the namespace are `netns.errors.NetnsError`, with the same two attributes.
"""

from __future__ import annotations


class SpeedmonError(Exception):
    """Anything a user is told in one line; the message names the thing and the mend."""

    exit_code = 1
    retry = False


class ConfigError(SpeedmonError):
    """The configuration cannot be read or has mistakes; the message lists every one of them."""

    exit_code = 2


class UsageError(SpeedmonError):
    """An argument that cannot be used, such as an engine nobody knows."""

    exit_code = 2


class StoreError(SpeedmonError):
    """The database cannot be opened, read or written where the configuration puts it."""

    exit_code = 2


class StoreFullError(StoreError):
    """There is no room to write; what was measured was kept elsewhere and the message says where."""

    exit_code = 1
    retry = True


class StoreBusyError(StoreError):
    """Another process held the write lock of the database for longer than we wait."""

    exit_code = 1
    retry = True


class StoreRejectedError(StoreError):
    """A run holds a value that the schema refuses, such as a negative rate; it was kept elsewhere."""

    exit_code = 1


class EngineError(SpeedmonError):
    """An engine cannot do what was asked of it and what is no test, such as to list its servers."""


class OutputError(SpeedmonError):
    """A file that was asked for (a picture, an export) cannot be written."""


class ServeError(SpeedmonError):
    """The daemon cannot start: its address is taken, or its schedule cannot be read."""
