"""Dates and times on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


def moment(text: str | None, option: str, here: ZoneInfo) -> datetime | None:
    """Return a date or time in ISO 8601 as a moment in UTC; without an offset it is in the zone `here`."""
    if text is None:
        return None
    try:
        written = datetime.fromisoformat(text)
        aware = written.replace(tzinfo=here) if written.tzinfo is None else written
        return aware.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is not a date or time such as 2026-10-24T18:00", param_hint=option
        ) from error
