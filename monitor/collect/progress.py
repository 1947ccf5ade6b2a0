"""Shows a running test: as a progress bar on a terminal, and in a file that the web page reads.

Progress is what the engine reports, else what the byte counters show. The file is a small one in the state directory,
replaced once a second. The last one holds how long the test took, from which the next test estimates its remaining
time.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO

import msgspec

from monitor.engines.base import EngineProgress
from monitor.errors import StateFileError
from monitor.output.units import format_rate
from monitor.system import files, state_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from monitor.collect.counters import Reading


BAR_WIDTH = 20

# Carriage return and "erase to the end of the line" (ECMA-48, EL).
ERASE_LINE = "\r\x1b[K"

PROGRESS_FILE = "progress.json"

LIMIT_BYTES = 64 * 1024

WRITE_EVERY_S = 1.0

STALE_S = 15.0

# Rates are means over this many readings, a second.
RATE_WINDOW = 5

# Below this rate, in bit/s, no transfer is under way: any test has some other traffic.
IDLE_BPS = 50_000

BITS_PER_BYTE = 8

_log = logging.getLogger(__name__)


def format_progress(progress: EngineProgress, remaining_s: float | None = None) -> str:
    """Return the progress of a test as text: "download [####------] 93.4 Mbit/s, 12 s left"."""
    parts = [progress.phase]
    if progress.share is not None:
        filled = round(progress.share * BAR_WIDTH)
        parts.append(f"[{'#' * filled}{'-' * (BAR_WIDTH - filled)}]")
    if progress.rate_bps is not None:
        parts.append(format_rate(progress.rate_bps))
    remaining = "" if remaining_s is None else f", {remaining_s:.0f} s left" if remaining_s >= 1 else ", nearly done"
    return " ".join(parts) + remaining


class ProgressBar:
    """The progress bar: `start` when the test starts, `show` to update it, `clear` before anything else is printed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def start(self, engine: str) -> None:
        """Show which engine is testing."""
        self._write(f"testing with {engine}…")

    def show(self, progress: EngineProgress, remaining_s: float | None = None) -> None:
        """Replace the bar; `remaining_s` is None where the remaining time is not known."""
        self._write(format_progress(progress, remaining_s))

    def clear(self) -> None:
        """Clear the line."""
        self._write("")

    def _write(self, text: str) -> None:
        # A test goes on where the terminal is gone or cannot show a character.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(ERASE_LINE + text)
            self._stream.flush()


class NoProgress:
    """Stands in for the progress bar where there is no terminal."""

    def start(self, engine: str) -> None:
        """Do nothing."""

    def show(self, progress: EngineProgress, remaining_s: float | None = None) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class RunningTest:
    """A running test, or the last one; the fields are those of the file.

    `expected_s` is how long the test before took. `share` is that of the phase, `rate_bps` that of its direction; both
    are None where they are not known.
    """

    engine: str
    path: str
    started_at: float
    running: bool = True
    phase: str = "start"
    share: float | None = None
    rate_bps: int | None = None
    elapsed_s: float = 0.0
    expected_s: float | None = None


class ProgressWriter:
    """Follows one test; `line_handler` and `add_readings` are used while it runs, `end` is called after it."""

    def __init__(self, meter: ProgressBar | NoProgress, file: Path, test: RunningTest) -> None:
        self._meter = meter
        self._file = file
        _set_odd_file_aside(file)
        self._test = replace(test, expected_s=_last_duration_s(read_progress_file(file), test.engine))
        self._engine_reports = False
        self._written_at = -WRITE_EVERY_S

    def line_handler(self, parse: Callable[[str], EngineProgress | None]) -> Callable[[str], None]:
        """Return a function to call with each line of the engine's output."""

        def handle(text: str) -> None:
            if (progress := parse(text)) is not None:
                self._engine_reports = True
                self._show(progress)

        return handle

    def add_readings(self, readings: Sequence[Reading]) -> None:
        """Show what the counters say, unless the engine reports progress itself; update the file."""
        elapsed = readings[-1].at_s - readings[0].at_s
        self._test = replace(self._test, elapsed_s=round(elapsed, 1))
        if not self._engine_reports:
            self._show(progress_from_readings(readings))
        if elapsed - self._written_at >= WRITE_EVERY_S:
            self._written_at = elapsed
            write_progress_file(self._file, self._test)

    def end(self) -> None:
        """Clear the progress bar, and write to the file how long the test took."""
        self._meter.clear()
        write_progress_file(self._file, replace(self._test, running=False))

    def _show(self, progress: EngineProgress) -> None:
        test = self._test
        self._test = replace(test, phase=progress.phase, share=progress.share, rate_bps=progress.rate_bps)
        remaining_s = None if test.expected_s is None else max(0.0, test.expected_s - test.elapsed_s)
        self._meter.show(progress, remaining_s)


def progress_from_readings(readings: Sequence[Reading]) -> EngineProgress:
    """Return the progress that the newest readings show: the direction with more traffic, and its rate. Pure."""
    window = readings[-RATE_WINDOW:]
    first, last = (reading.test or reading.uplink for reading in (window[0], window[-1]))
    seconds = window[-1].at_s - window[0].at_s
    if first is None or last is None or seconds <= 0:
        return EngineProgress("start")
    rx, tx = (
        round(max(0, increase) * BITS_PER_BYTE / seconds)
        for increase in (last.received - first.received, last.sent - first.sent)
    )
    if max(rx, tx) < IDLE_BPS:
        return EngineProgress("latency")
    return EngineProgress("download", None, rx) if rx >= tx else EngineProgress("upload", None, tx)


def read_running_test(file: Path, now_s: float) -> RunningTest | None:
    """Return the running test, None when there is none; a file that is no longer updated was left by a crash."""
    test = read_progress_file(file)
    if test is None or not test.running:
        return None
    try:
        age_s = now_s - file.stat().st_mtime
    except OSError:
        return None
    return test if age_s < STALE_S else None


def read_progress_file(file: Path) -> RunningTest | None:
    """Return the content of a progress file, None if there is none that can be read."""
    try:
        return msgspec.json.decode(state_files.read_file(file, LIMIT_BYTES), type=RunningTest)
    except (OSError, StateFileError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _set_odd_file_aside(file: Path) -> None:
    """Make room for the progress of a test where something else lies."""
    try:
        state_files.read_file(file, LIMIT_BYTES)
    except OSError:
        return
    except StateFileError as error:
        kept = file
        with contextlib.suppress(OSError):
            kept = state_files.set_aside(file)
        _log.warning("%s: it is kept as %s", error, kept)


def write_progress_file(file: Path, test: RunningTest) -> None:
    """Write a progress file completely or not at all; a test does not fail because of it."""
    try:
        files.replace_file(file, msgspec.json.encode(test), mode=0o644, sync=False)
    except OSError as error:
        _log.debug("%s: %s", file, error)


def _last_duration_s(last: RunningTest | None, engine: str) -> float | None:
    return last.elapsed_s if last and not last.running and last.engine == engine else None
