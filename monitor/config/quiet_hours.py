"""Quiet hours such as "22:00-06:00". Pure, and a module of its own, as it is imported before each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


def quiet_hours_at(quiet: Iterable[str], local: datetime) -> str | None:
    """Return the quiet hours that include a local time, None where none do.

    They include their start and not their end. Hours that end before they start go past midnight; those that start and
    end at the same time are the entire day.
    """
    now = f"{local:%H:%M}"
    return next((hours for hours in quiet if _contains_time(hours, now)), None)


def _contains_time(hours: str, now: str) -> bool:
    start, _, end = hours.partition("-")
    return start <= now < end if start < end else now >= start or now < end
