"""The log: to systemd's journal with level and run id, where the program runs below systemd; else lines on stderr.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL describes what the journal's socket takes. Each message is one line.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

JOURNAL_SOCKET = "/run/systemd/journal/socket"

# Set by systemd for a service whose output goes to the journal: device and inode of that stream.
STREAM_VARIABLE = "JOURNAL_STREAM"

# A datagram must fit into the send buffer, whose default is 208 KiB.
MAX_MESSAGE_CHARS = 20_000

# Levels of syslog(3).
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7

_OWN_LOGGERS = ("monitor", "netns", "web")


class _CurrentRun:
    """The id of the run under way in this process, None before the first."""

    id: str | None = None


def set_run_id(run_id: str | None) -> None:
    """Name the run that messages belong to from now on."""
    _CurrentRun.id = run_id


def to_priority(level: int) -> int:
    """Return the level of syslog(3) for one of `logging`."""
    return next((priority for least, priority in _PRIORITIES if level >= least), _DEBUG)


def encode_entry(fields: Mapping[str, str]) -> bytes:
    """Return an entry in the journal's native protocol; values that are empty are left out."""
    return b"".join(_encode_field(name, value) for name, value in fields.items() if value)


def _encode_field(name: str, value: str) -> bytes:
    content = value.encode("utf-8", "backslashreplace")
    if b"\n" not in content:
        return b"%s=%s\n" % (name.encode(), content)
    return b"%s\n%s%s\n" % (name.encode(), len(content).to_bytes(8, "little"), content)


def send_entry(message: str, level: int, logger: str = "speedmon") -> bool:
    """Send a message to the journal, with the id of the run under way; return whether it was taken."""
    import socket  # noqa: PLC0415  only below systemd, and only for a message

    fields = {
        "MESSAGE": message[:MAX_MESSAGE_CHARS],
        "PRIORITY": str(to_priority(level)),
        "SYSLOG_IDENTIFIER": "speedmon",
        "SPEEDMON_LOGGER": logger,
        "RUN_ID": _CurrentRun.id or "",
    }
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.sendto(encode_entry(fields), JOURNAL_SOCKET)
    except OSError:
        return False
    return True


def has_journal(environ: Mapping[str, str]) -> bool:
    """Return whether this process belongs to a service that logs to the journal."""
    return bool(environ.get(STREAM_VARIABLE)) and os.access(JOURNAL_SOCKET, os.W_OK)


def is_journal_stream(environ: Mapping[str, str], descriptor: int = 2) -> bool:
    """Return whether what is written to a descriptor goes to the journal anyway."""
    try:
        state = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get(STREAM_VARIABLE) == f"{state.st_dev}:{state.st_ino}"


def to_line(record: logging.LogRecord) -> str:
    """Return a record as one line; class and message of an exception stand at its end, in place of a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    text = f"{record.getMessage()}: {type(error).__name__}: {error}" if error else record.getMessage()
    return " ".join(text.split())


class LineHandler(logging.Handler):
    """Writes each record as one line: to the journal where there is one, and to stderr unless that is the journal."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._has_journal = has_journal(environ)
        self._is_stderr_journal = is_journal_stream(environ)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            self.write(to_line(record), record.levelno, record.name)
        except Exception:  # noqa: BLE001  as in logging.StreamHandler: a log must not end what it reports on
            self.handleError(record)

    def write(self, line: str, level: int, logger: str = "speedmon") -> None:
        """Write a line. Below WARNING it goes to the journal only."""
        is_sent = self._has_journal and send_entry(line, level, logger)
        if level >= logging.WARNING and sys.stderr is not None and not (is_sent and self._is_stderr_journal):
            sys.stderr.write(f"speedmon: {line}\n")
            sys.stderr.flush()


def set_up_logging(environ: Mapping[str, str]) -> None:
    """Send warnings and errors of every logger, and what our own say of each run, to the journal or to stderr."""
    root = logging.getLogger()
    if any(isinstance(handler, LineHandler) for handler in root.handlers):
        return
    handler = LineHandler(environ)
    root.addHandler(handler)
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)


def report_run(line: str, level: int, run_id: str, environ: Mapping[str, str]) -> bool:
    """Send what came of a run to the journal, with its id; return whether stderr would only say it again there."""
    if not has_journal(environ):
        return False
    set_run_id(run_id)
    return send_entry(line, level) and is_journal_stream(environ)
