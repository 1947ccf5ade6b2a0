"""The edges of the buckets of a window: round times of local time in any zone. Pure.

Buckets of up to an hour have equal lengths, so the hour that is repeated when clocks go back makes two buckets. Longer
buckets follow local time: the day of a clock change has 23 or 25 hours.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

MINUTE, HOUR, DAY = 60, 3600, 86_400
WIDTHS = (
    *(minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 20, 30)),
    *(hours * HOUR for hours in (1, 2, 3, 4, 6, 8, 12)),
    *(days * DAY for days in (1, 2, 7, 14, 28, 91, 364)),
)
"""The possible lengths of a bucket in seconds; each divides an hour or a day, or is a number of days."""


def edges(since: int, until: int, zone: tzinfo, most: int) -> list[int]:
    """Return the starts of at most `most` buckets of [since, until) (epoch seconds), and the end of the last.

    The first and the last bucket are cut to the window.
    """
    if until <= since:
        return []
    width = _width(until - since, most)
    following = _stepper(width, zone)
    return [*_steps(since, until, following), until]


def _width(length: int, most: int) -> int:
    """Return the shortest length with which at most `most` buckets, including two that are cut, fill a window."""
    wide_enough = (width for width in WIDTHS if _count(length, width) <= most)
    return next(wide_enough, WIDTHS[-1] * (1 + length // (WIDTHS[-1] * max(1, most - 2))))


def _count(length: int, width: int) -> int:
    # A clock change of half an hour cuts an hour in two.
    return length // width + 2 + (length // (DAY * 90) if width == HOUR else 0)


def _steps(since: int, until: int, following: Callable[[int], int]) -> Iterator[int]:
    edge = since
    while edge < until:
        yield edge
        edge = following(edge)


def _stepper(width: int, zone: tzinfo) -> Callable[[int], int]:
    """Return a function that gives the first edge after a moment."""
    if width <= HOUR:
        return lambda moment: moment + width - (moment + _offset(moment, zone)) % width
    if width < DAY:
        return lambda moment: _next_in_day(moment, width, zone)
    return lambda moment: _next_day(moment, width // DAY, zone)


def _offset(moment: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(moment, zone).utcoffset() or timedelta(0)
    return round(offset.total_seconds())


def _next_in_day(moment: int, width: int, zone: tzinfo) -> int:
    wall = datetime.fromtimestamp(moment, zone)
    since_midnight = (wall.hour * 60 + wall.minute) * 60 + wall.second
    midnight = datetime.combine(wall.date(), time())
    following = midnight + timedelta(seconds=since_midnight - since_midnight % width + width)
    return _at(following, zone)


def _next_day(moment: int, days: int, zone: tzinfo) -> int:
    """Return the midnight at which the next group of days begins; weeks begin on Monday, which 0001-01-01 was."""
    today = datetime.fromtimestamp(moment, zone).date().toordinal() - 1
    return _at(datetime.combine(date.fromordinal(today - today % days + days + 1), time()), zone)


def _at(wall: datetime, zone: tzinfo) -> int:
    """Return the moment of a local time: the first if it occurs twice, that of the clock change if it never occurs."""
    return int(wall.replace(tzinfo=zone).astimezone(UTC).timestamp())
