"""One live line on a terminal while a test runs; nothing is written unless somebody looks."""

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


def line(progress: Progress, left_s: float | None = None) -> str:
    """Return the words for a moment of a test: "download [####------] 93.4 Mbit/s, 12 s left"."""
    parts = [progress.phase]
    if progress.share is not None:
        filled = round(progress.share * BAR)
        parts.append(f"[{'#' * filled}{'-' * (BAR - filled)}]")
    if progress.rate_bps is not None:
        parts.append(rate(progress.rate_bps))
    left = "" if left_s is None else f", {left_s:.0f} s left" if left_s >= 1 else ", nearly done"
    return " ".join(parts) + left


class Meter:
    """The live line: `start` when the test begins, `show` each moment, `clear` before anything else is printed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def start(self, engine: str) -> None:
        """Say which engine measures."""
        self._write(f"testing with {engine}…")

    def show(self, progress: Progress, left_s: float | None = None) -> None:
        """Show the newest moment in place of the one before; `left_s` where somebody knows how long it will take."""
        self._write(line(progress, left_s))

    def clear(self) -> None:
        """Leave the line empty."""
        self._write("")

    def _write(self, words: str) -> None:
        # A terminal that went away, or that cannot show a character, is no reason to end a test.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(ERASE + words)
            self._stream.flush()


class Silence:
    """A meter for when nobody looks."""

    def start(self, engine: str) -> None:
        """Say nothing."""

    def show(self, progress: Progress, left_s: float | None = None) -> None:
        """Show nothing."""

    def clear(self) -> None:
        """Leave everything as it is."""
