"""A running test, as its engine reports it or else as the counters show it, for a terminal and for the web page.

The page reads a small file in the state directory, which is replaced once a second. The last one holds how long the
test took, from which the next test estimates its remaining time.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from monitor.engines.model import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from monitor.counters import Reading
    from monitor.progress import Meter, Silence

FILE = "progress.json"
WRITE_EVERY_S = 1.0
STALE_S = 15.0
# Rates are means over this many readings, a second.
WINDOW = 5
# Below this rate, in bit/s, no transfer is under way: any test has some other traffic.
IDLE_BPS = 50_000
BITS_EACH = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
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


class Live:
    """Follows one test; `line_handler` and `add_readings` are used while it runs, `end` is called after it."""

    def __init__(self, meter: Meter | Silence, file: Path, test: Moment) -> None:
        self._meter = meter
        self._file = file
        self._test = replace(test, expected_s=_took(load(file), test.engine))
        self._engine_reports = False
        self._written_at = -WRITE_EVERY_S

    def line_handler(self, parse: Callable[[str], Progress | None]) -> Callable[[str], None]:
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
            self._show(seen(readings))
        if elapsed - self._written_at >= WRITE_EVERY_S:
            self._written_at = elapsed
            save(self._file, self._test)

    def end(self) -> None:
        """Clear the progress bar, and write to the file how long the test took."""
        self._meter.clear()
        save(self._file, replace(self._test, running=False))

    def _show(self, progress: Progress) -> None:
        test = self._test
        self._test = replace(test, phase=progress.phase, share=progress.share, rate_bps=progress.rate_bps)
        remaining_s = None if test.expected_s is None else max(0.0, test.expected_s - test.elapsed_s)
        self._meter.show(progress, remaining_s)


def seen(readings: Sequence[Reading]) -> Progress:
    """Return the progress that the newest readings show: the direction with more traffic, and its rate. Pure."""
    window = readings[-WINDOW:]
    first, last = (reading.test or reading.uplink for reading in (window[0], window[-1]))
    seconds = window[-1].at_s - window[0].at_s
    if first is None or last is None or seconds <= 0:
        return Progress("start")
    rx, tx = (
        round(max(0, increase) * BITS_EACH / seconds)
        for increase in (last.received - first.received, last.sent - first.sent)
    )
    if max(rx, tx) < IDLE_BPS:
        return Progress("latency")
    return Progress("download", None, rx) if rx >= tx else Progress("upload", None, tx)


def current(file: Path, now_s: float) -> Moment | None:
    """Return the running test, None when there is none; a file that is no longer updated was left by a crash."""
    test = load(file)
    if test is None or not test.running:
        return None
    try:
        age_s = now_s - file.stat().st_mtime
    except OSError:
        return None
    return test if age_s < STALE_S else None


def load(file: Path) -> Moment | None:
    """Return the content of a progress file, None if there is none that can be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Moment)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def save(file: Path, test: Moment) -> None:
    """Write a progress file completely or not at all; a test does not fail because of it."""
    unfinished = file.with_suffix(".part")
    try:
        unfinished.write_bytes(msgspec.json.encode(test))
        unfinished.replace(file)
    except OSError as error:
        _log.debug("%s: %s", file, error)


def _took(last: Moment | None, engine: str) -> float | None:
    return last.elapsed_s if last and not last.running and last.engine == engine else None
