"""The errors that a user sees as one line instead of a traceback: when they happen, exit code, and whether to retry.

SpeedmonError              any error below, or one that no class of its own describes   exit 1
├── ConfigError            the configuration cannot be read or has mistakes             exit 2
├── UsageError             an argument that cannot be used                              exit 2
├── StoreError             the database cannot be opened, read or written               exit 2
│   ├── StoreFullError         the disk is full; the run was saved elsewhere            exit 1, retryable
│   ├── StoreBusyError         another process holds the database for too long          exit 1, retryable
│   ├── StoreUnreachableError  the database server does not answer                      exit 1, retryable
│   ├── ProbeClashError        the fleet has another installation of the same name      exit 2
│   └── StoreRejectedError     the schema refuses a value of a run                      exit 1
├── EngineError            an engine cannot do something other than a test              exit 1
├── NotifyError            an address did not take a message, which is sent later      exit 1, retryable
├── OutputError            a file that the user asked for cannot be written             exit 1
├── StateFileError         a file in the state directory is not one of ours             exit 1
├── InstallError           a step of an installation failed                             exit 1
└── ServeError             the daemon cannot start                                      exit 1

A message names what is wrong and the fix. Retryable means that the same call may succeed later without any change. A
failed speed test is not an error but a result: it is stored, and `collect` exits with 3; see `monitor.model.Failure`.
Errors of the namespace are `netns.errors.NetnsError`, with the same two attributes.
"""

from __future__ import annotations


class SpeedmonError(Exception):
    """Something failed that no class below describes; exit 1, not retryable."""

    exit_code = 1
    retryable = False


class ConfigError(SpeedmonError):
    """The configuration cannot be read or has mistakes, all of which the message lists; exit 2, not retryable."""

    exit_code = 2


class UsageError(SpeedmonError):
    """An argument cannot be used, such as the name of an unknown engine; exit 2, not retryable."""

    exit_code = 2


class StoreError(SpeedmonError):
    """The database cannot be opened, read or written where the configuration puts it; exit 2, not retryable."""

    exit_code = 2


class StoreFullError(StoreError):
    """The disk is full, and the run was saved elsewhere, which the message names; exit 1, retryable."""

    exit_code = 1
    retryable = True


class StoreBusyError(StoreError):
    """Another process held the write lock of the database for too long; exit 1, retryable."""

    exit_code = 1
    retryable = True


class StoreUnreachableError(StoreError):
    """The database server does not answer, or closed the connection; exit 1, retryable."""

    exit_code = 1
    retryable = True


class ProbeClashError(StoreError):
    """Another installation forwards to the fleet under the same probe name; exit 2, not retryable."""


class StoreRejectedError(StoreError):
    """The schema refuses a value of a run, such as a negative rate; exit 1, not retryable."""

    exit_code = 1


class EngineError(SpeedmonError):
    """An engine cannot do something other than a test, such as list its servers; exit 1, not retryable."""


class NotifyError(SpeedmonError):
    """An address of [notify] did not take a message; what is queued is sent later; exit 1, retryable."""

    retryable = True


class OutputError(SpeedmonError):
    """A file that the user asked for, such as a graph or an export, cannot be written; exit 1, not retryable."""


class StateFileError(SpeedmonError):
    """What lies in the state directory is no file that speedmon may have written there; exit 1, not retryable."""


class InstallError(SpeedmonError):
    """A step of an installation or its removal failed; the steps before it were undone; exit 1, not retryable."""


class ServeError(SpeedmonError):
    """The daemon cannot start, as its address is taken or its schedule cannot be read; exit 1, not retryable."""
