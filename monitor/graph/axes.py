"""Ticks of the time axis in local time, and the value axis with its unit, round ticks and rule for outliers. Pure.

Ticks of the time axis are instants, correct in any zone: a local day of 23 or 25 hours is that wide. A wall time that
a clock change skips gets no tick; one that occurs twice gets two, each with its zone abbreviation. Values are bit/s or
ms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from math import floor, log10
from typing import TYPE_CHECKING, Any

from monitor.localtime import DAY, HOUR, MINUTE, _local_dates, start_of_day
from monitor.output.units import rate_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.analysis.metrics import Metric
    from monitor.localtime import Window


MINUTES_OF_DAY = 24 * 60

# One value in a hundred that is this many times higher than the others is cut off and marked: it would flatten them.
OUTLIER_FACTOR, OUTLIERS_PER_VALUES, FEWEST_VALUES_TO_CUT = 3.0, 100, 5
# The top of the axis over the highest value shown.
HEADROOM, HEADROOM_OVER_USUAL = 1.06, 1.2
ROUND_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick at an epoch second; `context` is the second line: the date under a time, the year under a date."""

    at: float
    label: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class TickSpacing:
    """A spacing of ticks: every `minutes` of each local day, or the start of each day for which `keeps` is true."""

    seconds: int
    label: str
    context: str
    minutes: int = 0
    keeps: Callable[[date], bool] = lambda _day: True


def _every_minutes(minutes: int) -> TickSpacing:
    return TickSpacing(minutes * MINUTE, "%H:%M", "%a {day} %b %Y", minutes=minutes)


def _every_days(count: int) -> TickSpacing:
    return TickSpacing(count * DAY, "{day} %b", "%Y", keeps=lambda day: day.toordinal() % count == 0)


def _every_weeks(count: int) -> TickSpacing:
    # Ordinal 1 was a Monday.
    return TickSpacing(count * 7 * DAY, "{day} %b", "%Y", keeps=lambda day: (day.toordinal() - 1) % (7 * count) == 0)


def _every_months(count: int) -> TickSpacing:
    return TickSpacing(count * 30 * DAY, "%b", "%Y", keeps=lambda day: day.day == 1 and (day.month - 1) % count == 0)


def _every_years(count: int) -> TickSpacing:
    return TickSpacing(
        count * 365 * DAY, "%Y", "", keeps=lambda day: (day.month, day.day) == (1, 1) and day.year % count == 0
    )


# Each spacing with that of the small ticks between.
SPACINGS: tuple[tuple[TickSpacing, TickSpacing], ...] = (
    (_every_minutes(1), _every_minutes(1)),
    (_every_minutes(5), _every_minutes(1)),
    (_every_minutes(10), _every_minutes(5)),
    (_every_minutes(30), _every_minutes(10)),
    (_every_minutes(60), _every_minutes(15)),
    (_every_minutes(120), _every_minutes(60)),
    (_every_minutes(180), _every_minutes(60)),
    (_every_minutes(360), _every_minutes(60)),
    (_every_minutes(720), _every_minutes(180)),
    (_every_days(1), _every_minutes(360)),
    (_every_days(2), _every_days(1)),
    (_every_weeks(1), _every_days(1)),
    (_every_weeks(2), _every_weeks(1)),
    (_every_months(1), _every_weeks(1)),
    (_every_months(2), _every_months(1)),
    (_every_months(3), _every_months(1)),
    (_every_months(6), _every_months(1)),
    (_every_years(1), _every_months(3)),
    (_every_years(2), _every_years(1)),
    (_every_years(5), _every_years(1)),
    (_every_years(10), _every_years(5)),
)


def place_ticks(window: Window, zone: ZoneInfo, most: int) -> tuple[tuple[Tick, ...], tuple[float, ...]]:
    """Return about `most` labelled ticks at most, and the small ones between them, both oldest first."""
    start, end = window.span
    fitting = (pair for pair in SPACINGS if (end - start) / pair[0].seconds <= most)
    large, small = next(fitting, SPACINGS[-1])
    labelled = _label_ticks(large, zone, _tick_instants(large, window, zone))
    return labelled, tuple(at for at, _ in _tick_instants(small, window, zone))


def _tick_instants(step: TickSpacing, window: Window, zone: ZoneInfo) -> list[tuple[float, bool]]:
    """Return the epoch seconds of the ticks in the window, and whether the wall time there occurs twice."""
    start, end = window.span
    days = (day for day in _local_dates(window, zone) if step.keeps(day))
    doubled_by_instant: dict[float, bool] = {}
    for day in days:
        doubled_by_instant.setdefault(start_of_day(day, zone).timestamp(), False)
        for at, twice in _instants_of_day(day, step.minutes, zone):
            doubled_by_instant.setdefault(at, twice)
    return sorted((at, twice) for at, twice in doubled_by_instant.items() if start <= at <= end)


def _instants_of_day(day: date, minutes: int, zone: ZoneInfo) -> Iterator[tuple[float, bool]]:
    for minute in range(minutes, MINUTES_OF_DAY, minutes) if minutes else ():
        wall = datetime.combine(day, time(minute // 60, minute % 60), zone)
        instants = [moment for moment in _possible_instants(wall) if _shows_wall_time(moment, wall, zone)]
        if minutes * MINUTE > HOUR:
            instants = instants[:1]  # a wider spacing has no room for the second one
        for moment in instants:
            yield moment.timestamp(), len(instants) > 1


def _possible_instants(wall: datetime) -> Iterable[datetime]:
    return sorted({wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)})


def _shows_wall_time(moment: datetime, wall: datetime, zone: ZoneInfo) -> bool:
    return moment.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None)


def _label_ticks(step: TickSpacing, zone: ZoneInfo, instants: Iterable[tuple[float, bool]]) -> tuple[Tick, ...]:
    labelled: list[Tick] = []
    shown = ""
    for at, twice in instants:
        local = datetime.fromtimestamp(at, zone)
        context = _format_local(local, step.context)
        second_line = (local.tzname() or "") if twice else context if context != shown else ""
        labelled.append(Tick(at, _format_local(local, step.label), second_line))
        shown = context
    if all(tick.context for tick in labelled[:2]) and len(labelled) > 1:
        labelled[0] = replace(labelled[0], context="")  # no room for both; the later one says more
    return tuple(labelled)


def _format_local(local: datetime, pattern: str) -> str:
    return local.strftime(pattern.replace("{day}", str(local.day)))


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """An axis from 0 to `top` with round `ticks`, in bit/s or ms; labels show value / `divisor`, in `unit`."""

    top: float
    ticks: tuple[float, ...]
    divisor: float
    unit: str


def make_value_axis(metric: Metric, values: NDArray[Any], promised: float | None) -> ValueAxis:
    """Return the axis for values, which get reordered; it always includes the promised value."""
    smallest_top, empty_top = (1e3, 100e6) if metric.is_rate else (0.1, 10.0)
    highest = max(_highest_shown(values) if len(values) else 0.0, promised or 0.0)
    top = max(highest or empty_top, smallest_top) * HEADROOM
    step = _round_step(top)
    divisor, unit = rate_unit(top) if metric.is_rate else (1.0, "ms")
    return ValueAxis(top, tuple(index * step for index in range(floor(top / step) + 1)), divisor, unit)


def _highest_shown(values: NDArray[Any]) -> float:
    highest = float(values.max())
    if len(values) < FEWEST_VALUES_TO_CUT:
        return highest
    place = len(values) - 1 - max(1, len(values) // OUTLIERS_PER_VALUES)
    values.partition(place)
    usual = float(values[place])
    return highest if highest <= OUTLIER_FACTOR * usual or not usual else usual * HEADROOM_OVER_USUAL


def _round_step(top: float) -> float:
    """Return 1, 2, 2.5 or 5 times a power of ten, such that two to five steps fit below `top`."""
    rough = top / 5
    power = 10.0 ** floor(log10(rough))
    return next(step * power for step in ROUND_STEPS if step * power >= rough * (1 - 1e-9))
