"""Phrases and numbers of a report. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from monitor.model import Kind, Path, Scope

if TYPE_CHECKING:
    from collections import Counter
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.model import Plan

NONE = "\N{EN DASH}"
NAMES = {
    "download_bps": "Download",
    "upload_bps": "Upload",
    "latency_ms": "Latency",
    "jitter_ms": "Jitter",
    "packet_loss_pct": "Packet loss",
    "download_latency_ms": "Latency while downloading",
    "upload_latency_ms": "Latency while uploading",
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
PATHS = {
    Path.IP4ONLY: "over IPv4 only, from a network namespace of the measuring machine that has no IPv6, so that no test "
    "can use it",
    Path.HOST: "like any other program of the measuring machine, over IPv4 or IPv6 as the machine prefers",
}
SCOPES = {
    Scope.LINE: "the line or the ISP",
    Scope.PROVIDER: "the operator of the speed test or its server",
    Scope.CONFIG: "the settings of the measuring program",
    Scope.LOCAL: "the measuring machine or the home network",
    Scope.UNKNOWN: "not known",
}
KINDS = {
    Kind.TIMEOUT: "did not finish within the time allowed",
    Kind.DNS: "names could not be resolved (DNS)",
    Kind.UNREACHABLE: "the internet could not be reached",
    Kind.REFUSED: "the server refused the connection",
    Kind.TLS: "no secure connection (TLS)",
    Kind.RATE_LIMITED: "the operator of the speed test asked for fewer tests",
    Kind.PROVIDER_DOWN: "the speed test's own service was down",
    Kind.SERVER_GONE: "the chosen test server no longer exists",
    Kind.NO_SERVER: "no test server was found",
    Kind.STAGE_FAILED: "the test stopped in the middle of measuring",
    Kind.BAD_OUTPUT: "the measuring program gave no readable result",
    Kind.CRASHED: "the measuring program crashed",
    Kind.NOT_INSTALLED: "the measuring program was not installed",
    Kind.WRONG_BINARY: "another program was found in place of the measuring one",
    Kind.LICENCE: "the licence of the measuring program was not accepted",
    Kind.BIND: "no local address to measure from",
    Kind.NAMESPACE: "the network namespace was missing or broken",
    Kind.INTERRUPTED: "the test was stopped by a person or a shutdown",
    Kind.UNKNOWN: "not known",
}
DOUBTS = {
    "wrong_family": "measured over the wrong address family",
    "wrong_interface": "measured over the wrong interface",
    "wrong_isp": "measured over another ISP",
    "cross_traffic": "the line was busy with other traffic",
    "proxy": "measured through a proxy",
    "bytes_disagree": "the kernel counted a different amount of data from the measuring program",
    "server_denied": "measured against an excluded server",
}
# Below and above these, percentages have a decimal.
_NEAR_0, _NEAR_100 = 1, 90


def number(value: float) -> str:
    """Format with at least three significant digits and thousands separators: 4.21, 95.7, 941, 1,234."""
    size = abs(value)
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.995 or not size else 3  # noqa: PLR2004  rounds up to 100, 10, 1
    return f"{value:,.{decimals}f}"


def plain(value: float) -> str:
    """Return a configured number without trailing zeros: 0.5, 100, 1,000."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def unit(name: str) -> str:
    """Return the unit in which a metric is shown."""
    return "Mbit/s" if name.endswith("_bps") else "%" if name.endswith("_pct") else "ms"


def value(name: str, measured: float) -> str:
    """Return a measured value of a metric with its unit."""
    return f"{amount(name, measured)} {unit(name)}"


def amount(name: str, measured: float | None) -> str:
    """Return a measured value of a metric without its unit; a dash if there is none."""
    return NONE if measured is None else number(measured / 1e6 if name.endswith("_bps") else measured)


def percent(share: float) -> str:
    """Return a percentage that is never rounded to 0 % or 100 %: 0.02 becomes 0.1 %, 99.99 becomes 99.9 %."""
    if share in {0, 100}:
        return f"{share:.0f} %"
    is_near_end = share < _NEAR_0 or share > _NEAR_100
    return f"{min(max(share, 0.1), 99.9):.1f} %" if is_near_end else f"{share:.0f} %"


def difference(change: float) -> str:
    """Return a difference with its sign and one decimal: +1.5, -0.2; 0.0 has no sign."""
    rounded = round(change, 1)
    return f"{rounded:+,.1f}" if rounded else "0.0"


def count(number_of: int, singular: str) -> str:
    """Return a number of things: 1 test, 2,880 tests."""
    return f"{number_of:,} {singular if number_of == 1 else singular + 's'}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Return a local time with its offset from UTC: 23 Nov 2026 14:17 (UTC+01:00)."""
    local = at.astimezone(zone)
    return f"{local.day} {MONTHS[local.month - 1]} {local:%Y %H:%M} ({offset(local)})"


def short_moment(at: datetime, zone: ZoneInfo) -> str:
    """Return a local time for a table: 2026-11-23 14:17 +01:00."""
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {offset(local).removeprefix('UTC')}"


def offset(local: datetime) -> str:
    """Return the offset of a local time from UTC: UTC+01:00."""
    minutes = round((local.utcoffset() or timedelta()).total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def day(days: int) -> str:
    """Return a day, given as days since 1970-01-01: Monday, 9 Nov 2026."""
    local = date(1970, 1, 1) + timedelta(days=days)
    return f"{WEEKDAYS[local.weekday()]}, {local.day} {MONTHS[local.month - 1]} {local.year}"


def length(seconds: float) -> str:
    """Return a duration in its two largest units: 3 days 4 h, 2 h 15 min, 45 min, 20 s."""
    total = round(seconds)
    if total < 60:  # noqa: PLR2004  a minute
        return f"{total} s"
    units = (("day", 1440), ("h", 60), ("min", 1))
    minutes, parts = round(total / 60), []
    for name, size in units:
        if minutes >= size:
            whole = minutes // size
            parts.append(count(whole, name) if name == "day" else f"{whole} {name}")
            minutes %= size
    return " ".join(parts[:2])


def listed(counts: Counter[str], most: int = 5) -> str:
    """Return names with the share of each, most frequent first: A (80 %); B (20 %). A single name has no share."""
    ordered, total = counts.most_common(), counts.total()
    if len(ordered) == 1:
        return ordered[0][0]
    listing = "; ".join(f"{name} ({percent(100 * times / total)})" for name, times in ordered[:most])
    rest = sum(times for _, times in ordered[most:])
    return f"{listing}; {len(ordered) - most:,} more ({percent(100 * rest / total)})" if rest else listing or NONE


def plan(sold: Plan) -> str:
    """Return what a plan promises, as part of a sentence: download 100 Mbit/s, latency 30 ms; or nothing."""
    parts = (("download", "download_bps"), ("upload", "upload_bps"), ("latency", "latency_ms"))
    known = [(name, field, getattr(sold, field)) for name, field in parts if getattr(sold, field) is not None]
    return ", ".join(f"{name} {promised(field, limit)}" for name, field, limit in known) or "nothing"


def promised(name: str, sold: float | None) -> str:
    """Return what a plan promises of a metric, with its unit: 100 Mbit/s; a dash if nothing."""
    if sold is None:
        return NONE
    return f"{plain(sold / 1e6 if name.endswith('_bps') else sold)} {unit(name)}"


def chance(p_value: float) -> str:
    """Return how significant a difference is, in words and with its p-value."""
    words = "highly significant" if p_value < 0.001 else "significant" if p_value < 0.01 else "not significant"  # noqa: PLR2004  customary levels
    shown = f"p = {p_value:.2g}" if p_value >= 1e-6 else "p < 0.000001"  # noqa: PLR2004  smaller ones say no more
    return f"{words} ({shown}, the probability of such a difference by chance alone)"


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text, which empty lines separate, each as one line."""
    return [" ".join(part.split()) for part in text.split("\n\n")]
