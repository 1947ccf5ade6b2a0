"""Hours of the day in which the schedule does not test: "22:00-06:00". Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


def hours_at(quiet: Iterable[str], local: datetime) -> str | None:
    """Return the hours that a local time lies in, None when it lies in none.

    The beginning belongs to them and the end does not. Hours that end before they begin go past midnight; those that
    begin where they end are the whole day.
    """
    now = f"{local:%H:%M}"
    return next((hours for hours in quiet if _holds(hours, now)), None)


def _holds(hours: str, now: str) -> bool:
    begin, _, end = hours.partition("-")
    return begin <= now < end if begin < end else now >= begin or now < end
