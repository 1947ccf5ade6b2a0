"""The progress bar on a terminal while a test runs; nothing is written where there is no terminal."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from monitor.engines.model import Progress

MBIT = 1_000_000
BAR = 20
# Carriage return and "erase to the end of the line" (ECMA-48, EL).
ERASE = "\r\x1b[K"


def rate(bps: int) -> str:
    """Return a rate in bit/s as people write it: 941 Mbit/s, 95.7 Mbit/s, 0.53 Mbit/s."""
    value = bps / MBIT
    decimals = 0 if value >= 99.95 else 1 if value >= 0.95 else 2  # noqa: PLR2004  so that 99.96 is 100
    return f"{value:.{decimals}f} Mbit/s"


def line(progress: Progress, remaining_s: float | None = None) -> str:
    """Return the progress of a test as text: "download [####------] 93.4 Mbit/s, 12 s left"."""
    parts = [progress.phase]
    if progress.share is not None:
        filled = round(progress.share * BAR)
        parts.append(f"[{'#' * filled}{'-' * (BAR - filled)}]")
    if progress.rate_bps is not None:
        parts.append(rate(progress.rate_bps))
    remaining = "" if remaining_s is None else f", {remaining_s:.0f} s left" if remaining_s >= 1 else ", nearly done"
    return " ".join(parts) + remaining


class Meter:
    """The progress bar: `start` when the test starts, `show` to update it, `clear` before anything else is printed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def start(self, engine: str) -> None:
        """Show which engine is testing."""
        self._write(f"testing with {engine}…")

    def show(self, progress: Progress, remaining_s: float | None = None) -> None:
        """Replace the bar; `remaining_s` is None where the remaining time is not known."""
        self._write(line(progress, remaining_s))

    def clear(self) -> None:
        """Clear the line."""
        self._write("")

    def _write(self, text: str) -> None:
        # A test goes on where the terminal is gone or cannot show a character.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(ERASE + text)
            self._stream.flush()


class Silence:
    """Stands in for the progress bar where there is no terminal."""

    def start(self, engine: str) -> None:
        """Do nothing."""

    def show(self, progress: Progress, remaining_s: float | None = None) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""
