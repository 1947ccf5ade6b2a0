"""The clocks of this machine: the time since boot, which nobody can set, and whether the wall clock is synchronised.

Light: read before a test.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

# systemd-timesyncd makes this file once it has set the clock.
TIMESYNC_FILE = Path("/run/systemd/timesync/synchronized")

# TIME_ERROR of linux/timex.h: the kernel's state where no program has synchronised the clock.
_NOT_SYNCHRONISED = 5

# Of /proc/PID/stat, counted from behind the name: when the process started, in clock ticks since boot.
_START_TIME = 19

# More than `struct timex` has on any machine.
_TIMEX_BYTES = 512


def utc_now() -> datetime:
    """Return the current time as an aware datetime."""
    return datetime.now(UTC)


def seconds_since_boot() -> float:
    """Return the seconds since boot, those in which the machine slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def is_synchronised() -> bool | None:
    """Return whether the wall clock is synchronised, as the kernel knows it; None: it does not say."""
    import ctypes  # noqa: PLC0415  a millisecond, and only after a test

    if TIMESYNC_FILE.exists():
        return True
    # All zeros ask for the state without changing anything: adjtimex(2).
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _NOT_SYNCHRONISED


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The wall clock, and the seconds since boot, at one moment."""

    wall: datetime
    boot_s: float

    def elapsed_s(self, later: ClockReading) -> float:
        """Return the seconds until a later reading, by the clock that nobody sets."""
        return max(0.0, later.boot_s - self.boot_s)

    def jump_s(self, later: ClockReading) -> float:
        """Return by how many seconds the wall clock was set between two readings: forward if positive."""
        return (later.wall - self.wall).total_seconds() - (later.boot_s - self.boot_s)

    def after(self, seconds: float) -> datetime:
        """Return what the wall clock would show so many seconds later, had nobody set it."""
        return self.wall + timedelta(seconds=seconds)


def read_clocks() -> ClockReading:
    """Return what both clocks show now."""
    return ClockReading(utc_now(), seconds_since_boot())


def seconds_since_start() -> float:
    """Return for how long this system has run; a container counts from its own first process on."""
    fields = Path("/proc/1/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return seconds_since_boot() - int(fields[_START_TIME]) / os.sysconf("SC_CLK_TCK")
