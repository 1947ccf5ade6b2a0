"""Local time of many instants at once, correct across clock changes. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from monitor.graph.data import Window
from monitor.graph.ticks import offsets

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

HOUR, DAY = 3600, 86_400
# 1 January 1970 was a Thursday; Monday is 0.
_FIRST_WEEKDAY = 3


def wall(started: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Convert ascending epoch seconds to local wall-clock time, as seconds since 1970-01-01 00:00 on that clock."""
    if not len(started):
        return started
    first, last = (datetime.fromtimestamp(int(at), UTC) for at in (started[0], started[-1] + 1))
    shifts_in_window = offsets(Window(first, last), zone)
    begins = np.array([moment.timestamp() for moment, _ in shifts_in_window[1:]], np.float64)
    shifts = np.array([offset.total_seconds() for _, offset in shifts_in_window], np.int64)
    walls: NDArray[np.int64] = started + shifts[np.searchsorted(begins, started, side="right")]
    return walls


def hours(walls: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the hour of the day, 0 to 23, of wall-clock times."""
    return walls % DAY // HOUR


def weekdays(walls: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the weekday, 0 for Monday, of wall-clock times."""
    return (walls // DAY + _FIRST_WEEKDAY) % 7


def days(walls: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the days since 1970-01-01 of wall-clock times."""
    return walls // DAY
