"""Figures of a window beside those of the window before it, for the API and for the page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003  annotations are read at run time
from typing import TYPE_CHECKING

from monitor.model import Plan  # noqa: TC001  annotations are read at run time
from monitor.store.buckets import Summary, read_window

if TYPE_CHECKING:
    from monitor.store.connection import Connection
    from monitor.store.read import RunFilter


@dataclass(frozen=True, slots=True)
class Period:
    """The runs of a window: how many there are, and what the trusted ones measured."""

    since: datetime
    until: datetime
    runs: int
    failed: int
    doubtful: int
    download_bps: Summary | None
    upload_bps: Summary | None
    latency_ms: Summary | None


@dataclass(frozen=True, slots=True)
class WindowStats:
    """A window, the one of the same length before it, and the medians as percentages of the plan."""

    window: Period
    before: Period
    plan: Plan
    download_plan_pct: float | None
    upload_plan_pct: float | None


def read_stats(connection: Connection, run_filter: RunFilter, plan: Plan, *, medians: bool = True) -> WindowStats:
    """Return the figures of a window; without medians they come from roll-ups, and are quick for many years."""
    before = replace(run_filter, since=run_filter.since - (run_filter.until - run_filter.since), until=run_filter.since)
    window = _read_period(connection, run_filter, medians=medians)
    return WindowStats(
        window,
        _read_period(connection, before, medians=medians),
        plan,
        share_pct(window.download_bps, plan.download_bps),
        share_pct(window.upload_bps, plan.upload_bps),
    )


def _read_period(connection: Connection, run_filter: RunFilter, *, medians: bool) -> Period:
    figures = read_window(connection, run_filter, medians=medians)
    counts = (figures.runs, figures.failed, figures.doubtful)
    return Period(
        run_filter.since, run_filter.until, *counts, figures.download_bps, figures.upload_bps, figures.latency_ms
    )


def typical(summary: Summary | None) -> float | None:
    """Return the median, or the mean where medians were not asked for."""
    if summary is None:
        return None
    return summary.mean if summary.median is None else summary.median


def share_pct(summary: Summary | None, sold: float | None) -> float | None:
    """Return the typical value in percent of what was sold."""
    value = typical(summary)
    return None if value is None or not sold else round(100 * value / sold, 1)
