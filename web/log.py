"""The daemon's log: one line per warning or error on stderr, without tracebacks."""

from __future__ import annotations

import logging


class OneLine(logging.Formatter):
    """Appends class and message of an exception to the line instead of a traceback below it."""

    def __init__(self) -> None:
        super().__init__("speedmon: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line = f"speedmon: {record.getMessage()}".strip()
        error = record.exc_info[1] if record.exc_info else None
        text = f"{line}: {type(error).__name__}: {error}" if error else line
        return " ".join(text.split())


def set_up() -> None:
    """Send warnings and errors of every logger to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # The schedule reports these itself.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
