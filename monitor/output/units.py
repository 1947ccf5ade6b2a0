"""The unit in which rates are shown (SI prefixes, bit/s). Pure."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from datetime import datetime
    from zoneinfo import ZoneInfo


RATE_UNITS = ((2e9, 1e9, "Gbit/s"), (1e6, 1e6, "Mbit/s"), (0.0, 1e3, "kbit/s"))

NO_VALUE = "\N{EN DASH}"

WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

SHORT_WEEKDAY_NAMES = tuple(name[:3] for name in WEEKDAY_NAMES)

MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# Below and above these, percentages have a decimal.
_FEW_PERCENT, _MANY_PERCENT = 1, 90

MEGA = 1e6

MISSING = "\N{EN DASH}"

MBIT = 1_000_000


def rate_unit(highest: float) -> tuple[float, str]:
    """Return divisor and unit for rates up to `highest` bit/s."""
    return next((divisor, unit) for least, divisor, unit in RATE_UNITS if highest >= least)


def format_number(value: float) -> str:
    """Format with at least three significant digits and thousands separators: 4.21, 95.7, 941, 1,234."""
    size = abs(value)
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.995 or not size else 3  # noqa: PLR2004  rounds up to 100, 10, 1
    return f"{value:,.{decimals}f}"


def format_round_number(value: float) -> str:
    """Format without trailing zeros, for axes and plans: 0, 2.5, 100, 1,000."""
    text = f"{value:,.3f}"
    return text.rstrip("0").rstrip(".")


def format_long_duration(length: timedelta) -> str:
    """Format in the largest unit that fits: 30 days, 36 hours, 45 minutes."""
    seconds = length.total_seconds()
    for unit, name, least in ((86_400, "day", 2 * 86_400), (3600, "hour", 2 * 3600), (60, "minute", 0)):
        if seconds >= least or (seconds == unit and name != "minute"):
            break
    count = format_round_number(round(seconds / unit, 1))
    return f"{count} {name}" if count == "1" else f"{count} {name}s"


def _format_date_and_minute(local: datetime) -> str:
    return f"{local.day} {local:%b %Y %H:%M}"


def _format_day_and_minute(local: datetime) -> str:
    return f"{local.day} {local:%b %H:%M}"


def _format_utc_offset(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def format_trimmed(value: float) -> str:
    """Return a configured number without trailing zeros: 0.5, 100, 1,000."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def metric_unit(name: str) -> str:
    """Return the unit in which a metric is shown."""
    return "Mbit/s" if name.endswith("_bps") else "%" if name.endswith("_pct") else "ms"


def format_metric(name: str, measured: float) -> str:
    """Return a measured value of a metric with its unit."""
    return f"{format_metric_number(name, measured)} {metric_unit(name)}"


def format_metric_number(name: str, measured: float | None) -> str:
    """Return a measured value of a metric without its unit; a dash if there is none."""
    return NO_VALUE if measured is None else format_number(measured / 1e6 if name.endswith("_bps") else measured)


def format_percent(share: float) -> str:
    """Return a percentage that is never rounded to 0 % or 100 %: 0.02 becomes 0.1 %, 99.99 becomes 99.9 %."""
    if share in {0, 100}:
        return f"{share:.0f} %"
    is_near_end = share < _FEW_PERCENT or share > _MANY_PERCENT
    return f"{min(max(share, 0.1), 99.9):.1f} %" if is_near_end else f"{share:.0f} %"


def format_signed(change: float) -> str:
    """Return a difference with its sign and one decimal: +1.5, -0.2; 0.0 has no sign."""
    rounded = round(change, 1)
    return f"{rounded:+,.1f}" if rounded else "0.0"


def format_count(number_of: int, singular: str) -> str:
    """Return a number of things: 1 test, 2,880 tests."""
    return f"{number_of:,} {singular if number_of == 1 else singular + 's'}"


def format_time_with_offset(at: datetime, zone: ZoneInfo) -> str:
    """Return a local time with its offset from UTC: 23 Nov 2026 14:17 (UTC+01:00)."""
    local = at.astimezone(zone)
    return f"{local.day} {MONTH_NAMES[local.month - 1]} {local:%Y %H:%M} ({format_utc_offset(local)})"


def format_table_time_with_offset(at: datetime, zone: ZoneInfo) -> str:
    """Return a local time for a table: 2026-11-23 14:17 +01:00."""
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {format_utc_offset(local).removeprefix('UTC')}"


def format_utc_offset(local: datetime) -> str:
    """Return the offset of a local time from UTC: UTC+01:00."""
    minutes = round((local.utcoffset() or timedelta()).total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def format_day(days: int) -> str:
    """Return a day, given as days since 1970-01-01: Monday, 9 Nov 2026."""
    local = date(1970, 1, 1) + timedelta(days=days)
    return f"{WEEKDAY_NAMES[local.weekday()]}, {local.day} {MONTH_NAMES[local.month - 1]} {local.year}"


def format_duration(seconds: float) -> str:
    """Return a duration in its two largest units: 3 days 4 h, 2 h 15 min, 45 min, 20 s."""
    total = round(seconds)
    if total < 60:  # noqa: PLR2004  a minute
        return f"{total} s"
    units = (("day", 1440), ("h", 60), ("min", 1))
    minutes, parts = round(total / 60), []
    for name, size in units:
        if minutes >= size:
            whole = minutes // size
            parts.append(format_count(whole, name) if name == "day" else f"{whole} {name}")
            minutes %= size
    return " ".join(parts[:2])


def format_shares(counts: Counter[str], most: int = 5) -> str:
    """Return names with the share of each, most frequent first: A (80 %); B (20 %). A single name has no share."""
    ordered, total = counts.most_common(), counts.total()
    if len(ordered) == 1:
        return ordered[0][0]
    listing = "; ".join(f"{name} ({format_percent(100 * times / total)})" for name, times in ordered[:most])
    rest = sum(times for _, times in ordered[most:])
    return (
        f"{listing}; {len(ordered) - most:,} more ({format_percent(100 * rest / total)})"
        if rest
        else listing or NO_VALUE
    )


def format_mbps(bps: int | None) -> str:
    """Format a rate in Mbit/s without unit: 95.7, 941, 1,024; a dash for None."""
    return MISSING if bps is None else _format_short(bps / MEGA)


def format_milliseconds(value: float | None) -> str:
    """Format milliseconds without unit; a dash for None."""
    return MISSING if value is None else _format_short(value)


def _format_short(value: float) -> str:
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0  # noqa: PLR2004  rounds up to 10, 100
    return f"{value:,.{decimals}f}"


def format_age(length: timedelta) -> str:
    """Format a past time: just now, 5 minutes ago, 2 days ago."""
    span = _format_span(length)
    return f"{span} ago" if span else "just now"


def format_ahead(length: timedelta) -> str:
    """Format a future time: in a moment, in 5 minutes, in 2 days."""
    return f"in {_format_span(length) or 'a moment'}"


def _format_span(length: timedelta) -> str:
    """Format as whole days (two or more), hours or minutes; empty below a minute."""
    seconds = int(length.total_seconds())
    for unit, name, least in ((86_400, "day", 2), (3600, "hour", 1), (60, "minute", 1)):
        count = seconds // unit
        if count >= least:
            return f"{count} {name}{'' if count == 1 else 's'}"
    return ""


def format_moment_with_zone(local: datetime) -> str:
    """Format a local time with weekday and zone: Mon 23 Nov 2026, 14:17 CET."""
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M %Z}"


def format_iso_minute(local: datetime) -> str:
    """Format a local time for a table: 2026-11-23 14:17."""
    return f"{local:%Y-%m-%d %H:%M}"


def format_rate(bps: int) -> str:
    """Return a rate in bit/s as people write it: 941 Mbit/s, 95.7 Mbit/s, 0.53 Mbit/s."""
    value = bps / MBIT
    decimals = 0 if value >= 99.95 else 1 if value >= 0.95 else 2  # noqa: PLR2004  so that 99.96 is 100
    return f"{value:.{decimals}f} Mbit/s"
