"""Numbers as text: rates, milliseconds, sizes, percentages, durations and times. Pure, and light: `collect` loads it.

Every rate, duration and time that a person reads is written here, so that a run reads the same on the terminal, on the
page, in a graph and in a report. A number that was not measured is a dash, never a zero. English month and weekday
names, whatever the locale.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from datetime import datetime
    from zoneinfo import ZoneInfo


NO_VALUE = "\N{EN DASH}"

BPS_PER_MBPS = 1e6
BYTES_PER_MB = 1e6
BYTES_PER_GB = 1e9

# The lowest rate that an axis shows in a unit, bit/s in the unit, and its name.
RATE_UNITS = ((2e9, 1e9, "Gbit/s"), (1e6, 1e6, "Mbit/s"), (0.0, 1e3, "kbit/s"))

# Monday is 0, as `date.weekday` counts.
WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHORT_WEEKDAY_NAMES = tuple(name[:3] for name in WEEKDAY_NAMES)
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400

# Below and above these, percentages have a decimal.
_FEW_PERCENT, _MANY_PERCENT = 1, 90

# From these on, a number of three significant digits has 0, 1, 2 decimals; the limits are those of rounding.
_THREE_DIGITS = ((99.95, 0), (9.995, 1), (0.995, 2))

# Below this, two decimals would show a rate as zero.
_LEAST_CELL_MBPS = 0.005

# Two days are shown as days, less as hours.
_SHORT_HOURS = 48


def format_number(value: float) -> str:
    """Return a measured number with at least three significant digits: 0.530, 4.21, 95.7, 941, 1,234; 0 is 0.00."""
    size = abs(value)
    decimals = next((count for least, count in _THREE_DIGITS if size >= least), 3 if size else 2)
    return f"{value:,.{decimals}f}"


def format_trimmed(value: float) -> str:
    """Return a number that was set, not measured, without trailing zeros: 0, 2.5, 100, 1,000."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def format_count(number: int, singular: str) -> str:
    """Return a number of things: 1 test, 2,880 tests."""
    return f"{number:,} {singular if number == 1 else singular + 's'}"


def format_signed(change: float) -> str:
    """Return a difference with its sign and one decimal: +1.5, -0.2; 0.0 has no sign."""
    rounded = round(change, 1)
    return f"{rounded:+,.1f}" if rounded else "0.0"


def metric_unit(name: str) -> str:
    """Return the unit in which a metric is shown."""
    return "Mbit/s" if name.endswith("_bps") else "%" if name.endswith("_pct") else "ms"


def format_metric(name: str, measured: float) -> str:
    """Return a measured value of a metric with its unit: 95.7 Mbit/s, 4.20 ms."""
    return f"{format_metric_number(name, measured)} {metric_unit(name)}"


def format_metric_number(name: str, measured: float | None) -> str:
    """Return a measured value of a metric without its unit; a dash if there is none."""
    if measured is None:
        return NO_VALUE
    return format_number(measured / BPS_PER_MBPS if name.endswith("_bps") else measured)


def format_rate(bps: float | None) -> str:
    """Return a rate with its unit: 941 Mbit/s, 95.7 Mbit/s, 0.530 Mbit/s; a dash for None."""
    return NO_VALUE if bps is None else f"{format_mbps(bps)} Mbit/s"


def format_mbps(bps: float | None) -> str:
    """Return a rate in Mbit/s without the unit; a dash for None."""
    return NO_VALUE if bps is None else format_number(bps / BPS_PER_MBPS)


def format_rate_cell(bps: float | None) -> str:
    """Return a rate for a column, in Mbit/s with two decimals: 95.70; empty for None."""
    if bps is None:
        return ""
    mbps = bps / BPS_PER_MBPS
    return "<0.01" if 0 < mbps < _LEAST_CELL_MBPS else f"{mbps:.2f}"


def rate_unit(highest_bps: float) -> tuple[float, str]:
    """Return divisor and unit of an axis for rates up to `highest_bps`."""
    return next((divisor, unit) for least, divisor, unit in RATE_UNITS if highest_bps >= least)


def format_ms(milliseconds: float) -> str:
    """Return milliseconds with their unit and one decimal: 4.2 ms."""
    return f"{milliseconds:.1f} ms"


def format_ms_cell(milliseconds: float | None) -> str:
    """Return milliseconds for a column, with one decimal; empty for None."""
    return "" if milliseconds is None else f"{milliseconds:.1f}"


def format_megabytes(size: float) -> str:
    """Return bytes as megabytes (10^6 bytes): 95.2 MB."""
    return f"{size / BYTES_PER_MB:.1f} MB"


def format_percent(share: float) -> str:
    """Return a percentage that is never rounded to 0 % or 100 %: 0.02 becomes 0.1 %, 99.99 becomes 99.9 %."""
    return f"{format_percent_number(share)} %"


def format_percent_number(share: float) -> str:
    """Return a percentage as `format_percent` does, without the sign."""
    if share in {0, 100}:
        return f"{share:.0f}"
    is_near_end = share < _FEW_PERCENT or share > _MANY_PERCENT
    return f"{min(max(share, 0.1), 99.9):.1f}" if is_near_end else f"{share:.0f}"


def format_shares(counts: Counter[str], most: int = 5) -> str:
    """Return names with the share of each, most frequent first: A (80 %); B (20 %). A single name has no share."""
    ordered, total = counts.most_common(), counts.total()
    if len(ordered) == 1:
        return ordered[0][0]
    listing = "; ".join(f"{name} ({format_percent(100 * times / total)})" for name, times in ordered[:most])
    rest = sum(times for _, times in ordered[most:])
    if rest:
        return f"{listing}; {len(ordered) - most:,} more ({format_percent(100 * rest / total)})"
    return listing or NO_VALUE


def format_duration(seconds: float) -> str:
    """Return a duration in its two largest units: 3 days 4 h, 2 h 15 min, 45 min, 20 s."""
    total = round(seconds)
    if total < _MINUTE:
        return f"{total} s"
    days, rest = divmod(round(total / _MINUTE), _DAY // _MINUTE)
    hours, minutes = divmod(rest, 60)
    parts = (
        format_count(days, "day") if days else "",
        f"{hours} h" if hours else "",
        f"{minutes} min" if minutes else "",
    )
    return " ".join([part for part in parts if part][:2])


def format_short_duration(seconds: float) -> str:
    """Return a duration for a cell: 45 s, 12 min, 3 h 05, 2 d 7 h."""
    if round(seconds) < _MINUTE:
        return f"{round(seconds)} s"
    hours, minutes = divmod(round(seconds / _MINUTE), 60)
    if hours >= _SHORT_HOURS:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes:02}" if hours else f"{minutes} min"


def format_long_duration(length: timedelta) -> str:
    """Return the length of a window in the largest unit that fits: 30 days, 2.5 days, 36 hours, 45 minutes."""
    seconds = length.total_seconds()
    larger = ((unit, name) for unit, name in ((_DAY, "day"), (_HOUR, "hour")) if seconds >= 2 * unit or seconds == unit)
    unit, name = next(larger, (_MINUTE, "minute"))
    count = format_trimmed(round(seconds / unit, 1))
    return f"{count} {name}" if count == "1" else f"{count} {name}s"


def format_age(length: timedelta) -> str:
    """Return how long ago something was: just now, 5 minutes ago, 2 days ago."""
    span = _format_span(length)
    return f"{span} ago" if span else "just now"


def format_ahead(length: timedelta) -> str:
    """Return how far ahead something is: in a moment, in 5 minutes, in 2 days."""
    return f"in {_format_span(length) or 'a moment'}"


def _format_span(length: timedelta) -> str:
    """Return whole days (two or more), hours or minutes; empty below a minute."""
    seconds = int(length.total_seconds())
    for unit, name, least in ((_DAY, "day", 2), (_HOUR, "hour", 1), (_MINUTE, "minute", 1)):
        if seconds // unit >= least:
            return format_count(seconds // unit, name)
    return ""


def format_table_time(at: datetime, zone: ZoneInfo) -> str:
    """Return a local time for a table: 2026-11-23 14:17."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def format_table_time_with_offset(at: datetime, zone: ZoneInfo) -> str:
    """Return a local time for a table, unique when the clocks go back: 2026-11-23 14:17 +01:00."""
    return f"{format_table_time(at, zone)} {_offset_at(at, zone).removeprefix('UTC')}"


def format_exact_time(at: datetime, zone: ZoneInfo) -> str:
    """Return a local time to the second, with its zone: 2026-11-23 14:17:05 CET."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def format_date_and_minute(at: datetime, zone: ZoneInfo) -> str:
    """Return a local time: 23 Nov 2026 14:17."""
    local = at.astimezone(zone)
    return f"{_format_date(local)} {local:%H:%M}"


def format_day_and_minute(at: datetime, zone: ZoneInfo) -> str:
    """Return a local time of a year that is known: 23 Nov 14:17."""
    local = at.astimezone(zone)
    return f"{local.day} {MONTH_NAMES[local.month - 1]} {local:%H:%M}"


def format_time_with_offset(at: datetime, zone: ZoneInfo) -> str:
    """Return a local time with its offset from UTC: 23 Nov 2026 14:17 (UTC+01:00)."""
    return f"{format_date_and_minute(at, zone)} ({_offset_at(at, zone)})"


def format_time_with_zone(at: datetime, zone: ZoneInfo) -> str:
    """Return a local time with its weekday and zone: Mon 23 Nov 2026, 14:17 CET."""
    local = at.astimezone(zone)
    return f"{SHORT_WEEKDAY_NAMES[local.weekday()]} {_format_date(local)}, {local:%H:%M %Z}"


def format_day(days: int) -> str:
    """Return a day, given as days since 1970-01-01: Monday, 9 Nov 2026."""
    day = date(1970, 1, 1) + timedelta(days=days)
    return f"{WEEKDAY_NAMES[day.weekday()]}, {_format_date(day)}"


def format_utc_offset(offset: timedelta) -> str:
    """Return an offset from UTC: UTC+01:00."""
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _format_date(day: date) -> str:
    return f"{day.day} {MONTH_NAMES[day.month - 1]} {day.year}"


def _offset_at(at: datetime, zone: ZoneInfo) -> str:
    return format_utc_offset(at.astimezone(zone).utcoffset() or timedelta())
