"""The errors that a user sees as one line instead of a traceback; each with its exit code, and whether to retry.

    SpeedmonError             unexpected                                          exit 1
    ├── ConfigError           the configuration cannot be read or has mistakes    exit 2
    ├── UsageError            an argument that cannot be used                     exit 2
    ├── StoreError            the database cannot be opened, read or written      exit 2
    │   ├── StoreFullError    the disk is full; the result was kept elsewhere     exit 1, retry
    │   ├── StoreBusyError    another process holds the database for too long     exit 1, retry
    │   ├── StoreUnreachableError  the database server does not answer            exit 1, retry
    │   ├── ProbeClashError     the fleet knows another installation of this name exit 2
    │   └── StoreRejectedError  a run with a value that the schema refuses        exit 1
    ├── EngineError           an engine cannot do what was asked of it            exit 1
    ├── OutputError           a file that was asked for cannot be written         exit 1
    └── ServeError            the daemon cannot start                             exit 1

A failed speed test is not an error but a result: it is stored, and `collect` exits with 3; see `monitor.model.Failure`.
Errors of the namespace are `netns.errors.NetnsError`, with the same two attributes.
"""

from __future__ import annotations


class SpeedmonError(Exception):
    """An error that is printed as one line; the message names what is wrong and the fix."""

    exit_code = 1
    retry = False


class ConfigError(SpeedmonError):
    """The configuration cannot be read or has mistakes; the message lists every one of them."""

    exit_code = 2


class UsageError(SpeedmonError):
    """An argument that cannot be used, such as an unknown engine."""

    exit_code = 2


class StoreError(SpeedmonError):
    """The database cannot be opened, read or written where the configuration puts it."""

    exit_code = 2


class StoreFullError(StoreError):
    """The disk is full; the result was kept elsewhere, and the message says where."""

    exit_code = 1
    retry = True


class StoreBusyError(StoreError):
    """Another process held the write lock of the database for too long."""

    exit_code = 1
    retry = True


class StoreUnreachableError(StoreError):
    """The database server does not answer, or closed the connection."""

    exit_code = 1
    retry = True


class ProbeClashError(StoreError):
    """Another installation forwards to the fleet under the same probe name."""


class StoreRejectedError(StoreError):
    """A run has a value that the schema refuses, such as a negative rate; it was kept elsewhere."""

    exit_code = 1


class EngineError(SpeedmonError):
    """An engine cannot do something other than a test, such as list its servers."""


class OutputError(SpeedmonError):
    """A file that the user asked for (a graph, an export) cannot be written."""


class ServeError(SpeedmonError):
    """The daemon cannot start: its address is taken, or its schedule cannot be read."""
