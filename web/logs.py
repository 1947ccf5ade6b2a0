"""The log of `speedmon serve`: warnings and errors in the journal or on stderr, a line each, without tracebacks.

A line that repeats is written once a minute, with the number of times; whoever asks for a broken page a million times
does not fill the disk. Lines that differ are bounded too.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from monitor.system.logs import LineHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A line is not written again within this time.
QUIET_S = 60.0

# Different lines written within that time; more are counted together.
MAX_LINES = 100

OTHER_LINES = "other messages"


class RepeatCounter:
    """Decides which lines are written. Any thread may call it.

    Args:
        clock: returns seconds that only go up.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # For each line of the last minute: when it was written, and how often it came since.
        self._lines: dict[str, tuple[float, int]] = {}

    def count(self, line: str) -> list[str]:
        """Return what is to be written when this line comes."""
        with self._lock:
            due = self._take_due(QUIET_S)
            key = line if line in self._lines or len(self._lines) < MAX_LINES else OTHER_LINES
            if key in self._lines:
                written, count = self._lines[key]
                self._lines[key] = written, count + 1
                return due
            self._lines[key] = self._clock(), 0 if key == line else 1
            return [*due, line] if key == line else due

    def due(self, *, at_once: bool = False) -> list[str]:
        """Return the lines with the counts of a minute that is over, or of all."""
        with self._lock:
            return self._take_due(0 if at_once else QUIET_S)

    def _take_due(self, age_s: float) -> list[str]:
        now = self._clock()
        old = [(line, count) for line, (written, count) in self._lines.items() if now - written >= age_s]
        for line, count in old:
            del self._lines[line]
            if count:
                # It goes on counting: a line that comes all the time is written once a minute.
                self._lines[line] = now, 0
        return [f"{line} (and {count:,} more)" for line, count in old if count]


class CountingHandler(LineHandler):
    """Writes a line unless it was written within the last minute; then it is counted."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self._repeats = RepeatCounter()

    def write(self, line: str, level: int, logger: str = "speedmon") -> None:
        """Write or count a line."""
        for text in self._repeats.count(line):
            # Counts of earlier lines come with this one.
            super().write(text, level if text == line else logging.WARNING, logger)

    def report_repeats(self, *, at_once: bool) -> None:
        """Write the counts that are due."""
        with self.lock or threading.RLock():
            for text in self._repeats.due(at_once=at_once):
                super().write(text, logging.WARNING)


def set_up_logging() -> None:
    """Send warnings and errors of every logger to the journal or to stderr."""
    logging.basicConfig(level=logging.WARNING, handlers=[CountingHandler(os.environ)], force=True)
    # The schedule reports these itself.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)


def report_repeats(*, at_once: bool = False) -> None:
    """Write how often lines came again: those of a minute that is over, or all."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, CountingHandler):
            handler.report_repeats(at_once=at_once)
