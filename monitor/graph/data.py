"""Metrics, time windows, changes, and the names of servers and plans. Pure, and light to import.

Times are epoch seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.model import Plan, Server


class Metric(StrEnum):
    """A number of a run that is drawn; the value is the name of the field of `Run`."""

    DOWNLOAD = "download_bps"
    UPLOAD = "upload_bps"
    LATENCY = "latency_ms"
    DOWNLOAD_LATENCY = "download_latency_ms"
    UPLOAD_LATENCY = "upload_latency_ms"

    @property
    def is_rate(self) -> bool:
        """Whether it is a rate in bit/s (more is better), not a latency in ms (less is better)."""
        return self in {Metric.DOWNLOAD, Metric.UPLOAD}

    def promised(self, plan: Plan) -> float | None:
        """Return what a plan promises for this metric, in its unit; None where it promises nothing."""
        values = {
            Metric.DOWNLOAD: plan.download_bps,
            Metric.UPLOAD: plan.upload_bps,
            Metric.LATENCY: plan.latency_ms,
        }
        return values.get(self) or None


SPEED = (Metric.DOWNLOAD, Metric.UPLOAD, Metric.LATENCY)
LOADED = (Metric.DOWNLOAD_LATENCY, Metric.UPLOAD_LATENCY)


class Event(StrEnum):
    """What changed between two successful runs."""

    ISP = "ISP"
    SERVER = "server"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Window:
    """The time a graph spans, two aware datetimes; a run belongs to it when since <= started_at < until."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since.utcoffset() is None or self.until.utcoffset() is None:
            raise ValueError("a window needs aware datetimes")
        if self.since >= self.until:
            raise ValueError(f"a window must end after it begins: {self.since} to {self.until}")

    @property
    def span(self) -> tuple[float, float]:
        """Both ends in epoch seconds."""
        return self.since.timestamp(), self.until.timestamp()


@dataclass(frozen=True, slots=True)
class Change:
    """A change of ISP, server or plan; `others`: earlier servers are still in use as well."""

    at: float
    event: Event
    before: str
    after: str
    others: bool = False

    @property
    def text(self) -> str:
        """The text of its label."""
        return f"{self.event} {'now also' if self.others else 'now'} {self.after}"


def plan_name(plan: Plan) -> str:
    """Return the rates of a plan in Mbit/s, download first: 100 / 20."""
    rates = (f"{rate / 1e6:g}" if rate else "none" for rate in (plan.download_bps, plan.upload_bps))
    return " / ".join(rates)


def server_name(server: Server | None) -> str:
    """Return name and location of a server, else its host or id; empty if unknown."""
    if server is None:
        return ""
    parts = [part for part in (server.name, server.location) if part]
    return ", ".join(parts) or server.host or server.id or ""
