"""The back-off of forwarding: a minute after a failure, doubled each time, an hour at most. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

FIRST = timedelta(minutes=1)
MOST = timedelta(hours=1)


def pause(failures: int) -> timedelta:
    """Return the time to wait after a number of consecutive failures."""
    # 2**6 minutes exceed MOST already; 2**10_000 would overflow a timedelta.
    return min(FIRST * 2 ** min(failures - 1, 6), MOST) if failures else timedelta(0)


def due(failures: int, failed_at: datetime | None, now: datetime) -> datetime | None:
    """Return when the next attempt is due, None if now; a failure in the future (clock set back) does not delay it."""
    if failed_at is None or failed_at > now:
        return None
    due_at = failed_at + pause(failures)
    return due_at if due_at > now else None
