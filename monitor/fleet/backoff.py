"""How long forwarding waits after it failed: a minute, then twice as long each time, an hour at most. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

FIRST = timedelta(minutes=1)
MOST = timedelta(hours=1)


def pause(failures: int) -> timedelta:
    """Return the time to wait after so many failures in a row."""
    # 2 to the power of 6 is more than MOST already; of 10,000 it would be more than a timedelta holds.
    return min(FIRST * 2 ** min(failures - 1, 6), MOST) if failures else timedelta(0)


def due(failures: int, failed_at: datetime | None, now: datetime) -> datetime | None:
    """Return when the next attempt is due, None when it is now. A clock that was set back makes nobody wait longer."""
    if failed_at is None or failed_at > now:
        return None
    due_at = failed_at + pause(failures)
    return due_at if due_at > now else None
