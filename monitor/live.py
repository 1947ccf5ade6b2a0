"""A test as it runs: what the engine says of it, else what the counters show, for a terminal and for the web page.

The page reads a small file in the state directory, written whole once a second; the last one tells how long a test
took, from which the next one knows how much time is left.
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
# Over so many readings a rate is a mean: a second.
WINDOW = 5
# Less is no transfer but what any test does beside it, in bit/s.
IDLE_BPS = 50_000
BITS_EACH = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """A running test, or the last one: `elapsed_s` since it started, `expected_s` as long as the one before took.

    `share` is that of the phase, `rate_bps` that of its direction; both None where nobody knows.
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
    """Follows one test; `line` and `readings` are called as it runs, `end` after it."""

    def __init__(self, meter: Meter | Silence, file: Path, moment: Moment) -> None:
        self._meter = meter
        self._file = file
        self._moment = replace(moment, expected_s=_took(load(file), moment.engine))
        self._told = False
        self._written_at = -WRITE_EVERY_S

    def line(self, parse: Callable[[str], Progress | None]) -> Callable[[str], None]:
        """Return a taker of the engine's output lines."""

        def take(text: str) -> None:
            if (progress := parse(text)) is not None:
                self._told = True
                self._show(progress)

        return take

    def readings(self, readings: Sequence[Reading]) -> None:
        """Take what the counters show; the engine knows better, if it says anything."""
        elapsed = readings[-1].at_s - readings[0].at_s
        self._moment = replace(self._moment, elapsed_s=round(elapsed, 1))
        if not self._told:
            self._show(seen(readings))
        if elapsed - self._written_at >= WRITE_EVERY_S:
            self._written_at = elapsed
            save(self._file, self._moment)

    def end(self) -> None:
        """Leave the terminal empty, and in the file how long it took."""
        self._meter.clear()
        save(self._file, replace(self._moment, running=False))

    def _show(self, progress: Progress) -> None:
        now = self._moment
        self._moment = replace(now, phase=progress.phase, share=progress.share, rate_bps=progress.rate_bps)
        left = None if now.expected_s is None else max(0.0, now.expected_s - now.elapsed_s)
        self._meter.show(progress, left)


def seen(readings: Sequence[Reading]) -> Progress:
    """Return the moment that the newest readings show: the direction in which more is carried, and its rate. Pure."""
    window = readings[-WINDOW:]
    first, last = (reading.test or reading.uplink for reading in (window[0], window[-1]))
    seconds = window[-1].at_s - window[0].at_s
    if first is None or last is None or seconds <= 0:
        return Progress("start")
    rx, tx = (
        round(max(0, grown) * BITS_EACH / seconds) for grown in (last.received - first.received, last.sent - first.sent)
    )
    if max(rx, tx) < IDLE_BPS:
        return Progress("latency")
    return Progress("download", None, rx) if rx >= tx else Progress("upload", None, tx)


def current(file: Path, now_s: float) -> Moment | None:
    """Return the test that is running, None when none is; a file that is no longer written was left by a crash."""
    moment = load(file)
    if moment is None or not moment.running:
        return None
    try:
        age_s = now_s - file.stat().st_mtime
    except OSError:
        return None
    return moment if age_s < STALE_S else None


def load(file: Path) -> Moment | None:
    """Return what a progress file holds, None if there is none that can be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Moment)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def save(file: Path, moment: Moment) -> None:
    """Write a progress file, whole or not at all; nobody needs it enough to fail for it."""
    fresh = file.with_suffix(".part")
    try:
        fresh.write_bytes(msgspec.json.encode(moment))
        fresh.replace(file)
    except OSError as error:
        _log.debug("%s: %s", file, error)


def _took(last: Moment | None, engine: str) -> float | None:
    return last.elapsed_s if last and not last.running and last.engine == engine else None
