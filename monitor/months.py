"""Calendar months in a time zone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Month:
    """A month such as 2026-11, from its first instant to that of the next month."""

    begin: datetime
    end: datetime

    @property
    def name(self) -> str:
        """The month as text: 2026-11."""
        return f"{self.begin:%Y-%m}"


def month_of(moment: datetime, zone: tzinfo) -> Month:
    """Return the month that contains a moment."""
    local = moment.astimezone(zone)
    begin = datetime(local.year, local.month, 1, tzinfo=zone)
    later = divmod(local.month, 12)
    return Month(begin, datetime(local.year + later[0], later[1] + 1, 1, tzinfo=zone))


def back_from(moment: datetime, zone: tzinfo, count: int) -> Iterator[Month]:
    """Yield `count` months backwards, starting with that of the moment."""
    local = moment.astimezone(zone)
    for back in range(count):
        years, month = divmod(local.year * 12 + local.month - 1 - back, 12)
        yield month_of(datetime(years, month + 1, 1, tzinfo=zone), zone)
