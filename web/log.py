"""The daemon's log: one line an event on stderr, errors included, nothing for what goes well."""

from __future__ import annotations

import logging


class OneLine(logging.Formatter):
    """Writes an error's class and message at the end of the line instead of a traceback below it."""

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
    # The schedule tells of these itself, as rows and in its own words.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
