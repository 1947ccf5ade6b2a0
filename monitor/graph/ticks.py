"""Ticks of the time axis: at local midnights and full hours, as instants, correct in any zone. Pure.

A local day of 23 or 25 hours is that wide. A wall time that a clock change skips gets no tick; one that occurs twice
gets two, each with its zone abbreviation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from zoneinfo import ZoneInfo

    from monitor.graph.data import Window

MINUTE, HOUR, DAY = 60, 3600, 86_400
MINUTES_OF_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick at an epoch second; `context` is the second line: the date under a time, the year under a date."""

    at: float
    label: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A spacing of ticks: every `minutes` of each local day, or the start of each day for which `keeps` is true."""

    seconds: int
    label: str
    context: str
    minutes: int = 0
    keeps: Callable[[date], bool] = lambda _day: True


def _clock(minutes: int) -> Step:
    return Step(minutes * MINUTE, "%H:%M", "%a {day} %b %Y", minutes=minutes)


def _days(count: int) -> Step:
    return Step(count * DAY, "{day} %b", "%Y", keeps=lambda day: day.toordinal() % count == 0)


def _weeks(count: int) -> Step:
    # Ordinal 1 was a Monday.
    return Step(count * 7 * DAY, "{day} %b", "%Y", keeps=lambda day: (day.toordinal() - 1) % (7 * count) == 0)


def _months(count: int) -> Step:
    return Step(count * 30 * DAY, "%b", "%Y", keeps=lambda day: day.day == 1 and (day.month - 1) % count == 0)


def _years(count: int) -> Step:
    return Step(count * 365 * DAY, "%Y", "", keeps=lambda day: (day.month, day.day) == (1, 1) and day.year % count == 0)


# Each spacing with that of the small ticks between.
LADDER: tuple[tuple[Step, Step], ...] = (
    (_clock(1), _clock(1)),
    (_clock(5), _clock(1)),
    (_clock(10), _clock(5)),
    (_clock(30), _clock(10)),
    (_clock(60), _clock(15)),
    (_clock(120), _clock(60)),
    (_clock(180), _clock(60)),
    (_clock(360), _clock(60)),
    (_clock(720), _clock(180)),
    (_days(1), _clock(360)),
    (_days(2), _days(1)),
    (_weeks(1), _days(1)),
    (_weeks(2), _weeks(1)),
    (_months(1), _weeks(1)),
    (_months(2), _months(1)),
    (_months(3), _months(1)),
    (_months(6), _months(1)),
    (_years(1), _months(3)),
    (_years(2), _years(1)),
    (_years(5), _years(1)),
    (_years(10), _years(5)),
)


def ticks(window: Window, zone: ZoneInfo, most: int) -> tuple[tuple[Tick, ...], tuple[float, ...]]:
    """Return about `most` labelled ticks at most, and the small ones between them, both oldest first."""
    start, end = window.span
    fitting = (pair for pair in LADDER if (end - start) / pair[0].seconds <= most)
    large, small = next(fitting, LADDER[-1])
    labelled = _with_context(large, zone, _instants(large, window, zone))
    return labelled, tuple(at for at, _ in _instants(small, window, zone))


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a local day, in UTC: 01:00 where the clocks skip midnight."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def offsets(window: Window, zone: ZoneInfo) -> tuple[tuple[datetime, timedelta], ...]:
    """Return each offset from UTC that holds in the window, with the instant (UTC) from which it does."""
    since, until = (moment.astimezone(UTC).replace(microsecond=0) for moment in (window.since, window.until))
    changes = [(since, _offset(since, zone))]
    midnights = (start_of_day(day, zone) for day in _dates(window, zone))
    for before, after in pairwise([since, *(moment for moment in midnights if since < moment < until), until]):
        if _offset(before, zone) != _offset(after, zone):
            change = _first_after(before, after, zone)
            changes.append((change, _offset(change, zone)))
    return tuple(changes)


def _first_after(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second of the new offset, by bisection of a span with one change."""
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if _offset(middle, zone) == _offset(before, zone):
            before = middle
        else:
            after = middle
    return after


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _dates(window: Window, zone: ZoneInfo) -> Iterator[date]:
    day, last = window.since.astimezone(zone).date(), window.until.astimezone(zone).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


def _instants(step: Step, window: Window, zone: ZoneInfo) -> list[tuple[float, bool]]:
    """Return the epoch seconds of the ticks in the window, and whether the wall time there occurs twice."""
    start, end = window.span
    days = (day for day in _dates(window, zone) if step.keeps(day))
    doubled_by_instant: dict[float, bool] = {}
    for day in days:
        doubled_by_instant.setdefault(start_of_day(day, zone).timestamp(), False)
        for at, twice in _of_day(day, step.minutes, zone):
            doubled_by_instant.setdefault(at, twice)
    return sorted((at, twice) for at, twice in doubled_by_instant.items() if start <= at <= end)


def _of_day(day: date, minutes: int, zone: ZoneInfo) -> Iterator[tuple[float, bool]]:
    for minute in range(minutes, MINUTES_OF_DAY, minutes) if minutes else ():
        wall = datetime.combine(day, time(minute // 60, minute % 60), zone)
        instants = [moment for moment in _both(wall) if _shows(moment, wall, zone)]
        if minutes * MINUTE > HOUR:
            instants = instants[:1]  # a wider spacing has no room for the second one
        for moment in instants:
            yield moment.timestamp(), len(instants) > 1


def _both(wall: datetime) -> Iterable[datetime]:
    return sorted({wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)})


def _shows(moment: datetime, wall: datetime, zone: ZoneInfo) -> bool:
    return moment.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None)


def _with_context(step: Step, zone: ZoneInfo, instants: Iterable[tuple[float, bool]]) -> tuple[Tick, ...]:
    labelled: list[Tick] = []
    shown = ""
    for at, twice in instants:
        local = datetime.fromtimestamp(at, zone)
        context = _format(local, step.context)
        second_line = (local.tzname() or "") if twice else context if context != shown else ""
        labelled.append(Tick(at, _format(local, step.label), second_line))
        shown = context
    if all(tick.context for tick in labelled[:2]) and len(labelled) > 1:
        labelled[0] = replace(labelled[0], context="")  # no room for both; the later one says more
    return tuple(labelled)


def _format(local: datetime, pattern: str) -> str:
    return local.strftime(pattern.replace("{day}", str(local.day)))
