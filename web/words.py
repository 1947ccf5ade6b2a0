"""The texts of the page, for readers without technical knowledge. Pure.

A new `Kind` or `Scope` needs its texts here; a test checks that the tables are complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.model import Kind, Path, Scope, Status

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from monitor.model import Failure

MEGA = 1e6
NOTHING = "\N{EN DASH}"

STATUSES = {
    Status.OK: "OK",
    Status.FAILED: "Failed",
    Status.SKIPPED: "Skipped",
    Status.INTERRUPTED: "Interrupted",
}

KINDS = {
    Kind.TIMEOUT: "took too long",
    Kind.DNS: "name lookup failed",
    Kind.UNREACHABLE: "network unreachable",
    Kind.REFUSED: "connection refused",
    Kind.TLS: "secure connection failed",
    Kind.RATE_LIMITED: "asked to slow down",
    Kind.PROVIDER_DOWN: "speed test service down",
    Kind.SERVER_GONE: "test server gone",
    Kind.NO_SERVER: "no test server found",
    Kind.STAGE_FAILED: "broke off half-way",
    Kind.BAD_OUTPUT: "result not readable",
    Kind.CRASHED: "test program crashed",
    Kind.NOT_INSTALLED: "test program missing",
    Kind.WRONG_BINARY: "wrong test program",
    Kind.LICENCE: "licence not accepted",
    Kind.BIND: "could not use the interface",
    Kind.NAMESPACE: "namespace not working",
    Kind.INTERRUPTED: "stopped before it finished",
    Kind.UNKNOWN: "cause not known",
}

HEADLINES = {
    Scope.LINE: "Your internet line failed the last test",
    Scope.PROVIDER: "The speed test service failed the last test",
    Scope.CONFIG: "The configuration kept the last test from running",
    Scope.LOCAL: "This machine kept the last test from running",
    Scope.UNKNOWN: "The last test failed",
}

CULPRITS = {
    Scope.LINE: "the internet line or the ISP, not this machine",
    Scope.PROVIDER: "the provider of the speed test; your line may be fine",
    Scope.CONFIG: "a setting of speedmon; your line may be fine",
    Scope.LOCAL: "this machine; your line may be fine",
    Scope.UNKNOWN: "not known",
}

SCOPES = {
    Scope.LINE: "line",
    Scope.PROVIDER: "test provider",
    Scope.CONFIG: "configuration",
    Scope.LOCAL: "this machine",
    Scope.UNKNOWN: "not known",
}

PATHS = {Path.IP4ONLY: "IPv4-only namespace", Path.HOST: "the host as it is"}


def rate(bps: int | None) -> str:
    """Format a rate in Mbit/s without unit: 95.7, 941, 1,024; a dash for None."""
    return NOTHING if bps is None else _number(bps / MEGA)


def milliseconds(value: float | None) -> str:
    """Format milliseconds without unit; a dash for None."""
    return NOTHING if value is None else _number(value)


def _number(value: float) -> str:
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0  # noqa: PLR2004  rounds up to 10, 100
    return f"{value:,.{decimals}f}"


def share(value: float | None, sold: float | None) -> str:
    """Return a value as a percentage of the plan; empty if either is missing."""
    return f"{round(100 * value / sold)} % of the plan" if value is not None and sold else ""


def age(length: timedelta) -> str:
    """Format a past time: just now, 5 minutes ago, 2 days ago."""
    span = _span(length)
    return f"{span} ago" if span else "just now"


def ahead(length: timedelta) -> str:
    """Format a future time: in a moment, in 5 minutes, in 2 days."""
    return f"in {_span(length) or 'a moment'}"


def _span(length: timedelta) -> str:
    """Format as whole days (two or more), hours or minutes; empty below a minute."""
    seconds = int(length.total_seconds())
    for unit, name, least in ((86_400, "day", 2), (3600, "hour", 1), (60, "minute", 1)):
        count = seconds // unit
        if count >= least:
            return f"{count} {name}{'' if count == 1 else 's'}"
    return ""


def moment(local: datetime) -> str:
    """Format a local time with weekday and zone: Mon 23 Nov 2026, 14:17 CET."""
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M %Z}"


def short_moment(local: datetime) -> str:
    """Format a local time for a table: 2026-11-23 14:17."""
    return f"{local:%Y-%m-%d %H:%M}"


def ending(failure: Failure) -> str:
    """Return the signal or exit code of the engine; empty if there is none."""
    if failure.signal is not None:
        return f"signal {failure.signal}"
    return f"exit code {failure.exit_code}" if failure.exit_code else ""
