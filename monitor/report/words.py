"""The words and numbers of a report: every number with its unit, in plain English. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from monitor.model import Kind, Path, Scope

if TYPE_CHECKING:
    from collections import Counter
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
    Path.IP4ONLY: "over IPv4 only, from a network namespace of the measuring machine: a part of it that has no IPv6, "
    "so that no test can take another way",
    Path.HOST: "as any other program of the measuring machine, over IPv4 or IPv6 as the machine prefers",
}
SCOPES = {
    Scope.LINE: "the line or the ISP",
    Scope.PROVIDER: "the operator of the speed test or its server",
    Scope.CONFIG: "the settings of the measuring program",
    Scope.LOCAL: "the measuring machine or the home network",
    Scope.UNKNOWN: "not known",
}
KINDS = {
    Kind.TIMEOUT: "no end within the time allowed",
    Kind.DNS: "names could not be resolved (DNS)",
    Kind.UNREACHABLE: "the internet could not be reached",
    Kind.REFUSED: "the server refused the connection",
    Kind.TLS: "no secure connection (TLS)",
    Kind.RATE_LIMITED: "the operator of the speed test wanted fewer tests",
    Kind.PROVIDER_DOWN: "the speed test's own service was down",
    Kind.SERVER_GONE: "the chosen test server no longer exists",
    Kind.NO_SERVER: "no test server was found",
    Kind.STAGE_FAILED: "the test broke off while measuring",
    Kind.BAD_OUTPUT: "the measuring program gave no readable result",
    Kind.CRASHED: "the measuring program crashed",
    Kind.NOT_INSTALLED: "the measuring program was not installed",
    Kind.WRONG_BINARY: "another program was found in place of the measuring one",
    Kind.LICENCE: "the licence of the measuring program was not accepted",
    Kind.BIND: "no local address to measure from",
    Kind.NAMESPACE: "the network namespace was missing or not sound",
    Kind.INTERRUPTED: "somebody or a shutdown ended the test",
    Kind.UNKNOWN: "not known",
}
DOUBTS = {
    "wrong_family": "measured over the wrong family of addresses",
    "wrong_interface": "measured over the wrong interface",
    "wrong_isp": "measured over another ISP",
    "cross_traffic": "the line was busy with other traffic",
    "proxy": "measured through a proxy",
    "bytes_disagree": "the kernel counted other amounts of data than the measuring program",
    "server_denied": "measured against a server that was ruled out",
}
# Between these, rounding to a whole percent hides little.
_NEAR_0, _NEAR_100 = 1, 90


def number(value: float) -> str:
    """Format with at least three significant digits and thousands separators: 4.21, 95.7, 941, 1,234."""
    size = abs(value)
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.995 or not size else 3  # noqa: PLR2004  rounds up to 100, 10, 1
    return f"{value:,.{decimals}f}"


def plain(value: float) -> str:
    """Return a number that somebody chose, without needless zeros: 0.5, 100, 1,000."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def unit(name: str) -> str:
    """Return the unit in which a number of a run is shown."""
    return "Mbit/s" if name.endswith("_bps") else "%" if name.endswith("_pct") else "ms"


def value(name: str, found: float) -> str:
    """Return a number of a run with its unit."""
    return f"{amount(name, found)} {unit(name)}"


def amount(name: str, found: float | None) -> str:
    """Return a number of a run without its unit."""
    return NONE if found is None else number(found / 1e6 if name.endswith("_bps") else found)


def percent(share: float) -> str:
    """Return a percentage that rounding makes neither perfect nor naught: 0.1 to 99.9 are not 0 and 100."""
    if share in {0, 100}:
        return f"{share:.0f} %"
    fine = share < _NEAR_0 or share > _NEAR_100
    return f"{min(max(share, 0.1), 99.9):.1f} %" if fine else f"{share:.0f} %"


def difference(change: float) -> str:
    """Return a difference with its sign and one decimal; one that rounds to nothing has none."""
    rounded = round(change, 1)
    return f"{rounded:+,.1f}" if rounded else "0.0"


def count(how_many: int, one: str, several: str | None = None) -> str:
    """Return a number of things: 1 test, 2,880 tests."""
    return f"{how_many:,} {one if how_many == 1 else several or one + 's'}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Return a moment in local time with its offset from UTC, so that it is one also when the clocks change."""
    local = at.astimezone(zone)
    return f"{local.day} {MONTHS[local.month - 1]} {local:%Y %H:%M} ({offset(local)})"


def short_moment(at: datetime, zone: ZoneInfo) -> str:
    """Return a moment in local time as tables have it: 2026-11-23 14:17 +01:00."""
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {offset(local).removeprefix('UTC')}"


def offset(local: datetime) -> str:
    """Return the offset of a local time from UTC."""
    minutes = round((local.utcoffset() or timedelta()).total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def day(days: int) -> str:
    """Return the name of a day since the first of January 1970."""
    found = date(1970, 1, 1) + timedelta(days=days)
    return f"{WEEKDAYS[found.weekday()]}, {found.day} {MONTHS[found.month - 1]} {found.year}"


def epoch(seconds: float) -> datetime:
    """Return the moment of an epoch second."""
    return datetime.fromtimestamp(seconds, UTC)


def length(seconds: float) -> str:
    """Return a length of time in its two largest units: 3 days 4 h, 2 h 15 min, 45 min, 20 s."""
    total = round(seconds)
    if total < 60:  # noqa: PLR2004  a minute
        return f"{total} s"
    units = (("day", 1440), ("h", 60), ("min", 1))
    minutes, parts = round(total / 60), []
    for name, size in units:
        if minutes >= size:
            many = minutes // size
            parts.append(count(many, name) if name == "day" else f"{many} {name}")
            minutes %= size
    return " ".join(parts[:2])


def listed(counts: Counter[str], most: int = 5) -> str:
    """Return names with the share that each has, the most frequent first: one alone without it."""
    ordered, total = counts.most_common(), counts.total()
    if len(ordered) == 1:
        return ordered[0][0]
    named = "; ".join(f"{name} ({percent(100 * many / total)})" for name, many in ordered[:most])
    rest = sum(many for _, many in ordered[most:])
    return f"{named}; {len(ordered) - most:,} more ({percent(100 * rest / total)})" if rest else named or NONE


def plan(sold: Plan) -> str:
    """Return what a plan promises, as a sentence has it."""
    parts = (("download", "download_bps"), ("upload", "upload_bps"), ("latency", "latency_ms"))
    known = [(name, field, getattr(sold, field)) for name, field in parts if getattr(sold, field) is not None]
    return ", ".join(f"{name} {promised(field, found)}" for name, field, found in known) or "nothing"


def promised(name: str, sold: float | None) -> str:
    """Return what was sold of a number, without needless zeros."""
    if sold is None:
        return NONE
    return f"{plain(sold / 1e6 if name.endswith('_bps') else sold)} {unit(name)}"


def chance(p: float) -> str:
    """Return how sure a difference is, in words and as the p value."""
    words = "very sure" if p < 0.001 else "sure" if p < 0.01 else "not sure"  # noqa: PLR2004  customary levels
    shown = f"p = {p:.2g}" if p >= 1e-6 else "p < 0.000001"  # noqa: PLR2004  smaller ones say no more
    return f"{words} ({shown}, the likelihood of as much of a difference by chance alone)"


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text that has them apart by an empty line, each in one line."""
    return [" ".join(part.split()) for part in text.split("\n\n")]
