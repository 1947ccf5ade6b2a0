"""Reads from the store what a report is about, in one transaction, so that all of it is about the same runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor import __version__
from monitor.analysis.metrics import UNITS
from monitor.errors import UsageError
from monitor.localtime import Window
from monitor.report.evidence import ReportSubject
from monitor.store.columnar import read_columns
from monitor.store.incidents import read_incidents
from monitor.store.read import RunFilter, read_runs
from monitor.store.statistics import plan_periods, window_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.analysis.columns import Columns
    from monitor.analysis.outages import Incident
    from monitor.model import NetworkPath, Plan, Run
    from monitor.store.connection import Connection


@dataclass(frozen=True, slots=True)
class RunSelection:
    """Runs to read: from an open connection, in a window, over a path (None: any), of probes by key (none: all)."""

    connection: Connection
    window: Window
    path: NetworkPath | None = None
    probes: tuple[int, ...] = ()

    @property
    def filter(self) -> RunFilter:
        """The runs of the window, for the store."""
        return RunFilter(self.window.since, self.window.until, self.path, self.probes)

    def runs(self) -> Iterator[Run]:
        """Yield the runs, oldest first. Every call within the transaction yields the same."""
        return read_runs(self.connection, self.filter)

    def columns(self) -> Columns:
        """Return the runs with all metrics."""
        return read_columns(self.connection, self.filter, UNITS)

    def incidents(self) -> tuple[Incident, ...]:
        """Return the outages, oldest first."""
        return tuple(reversed(read_incidents(self.connection, self.filter)))

    def plan_periods(self, since: datetime) -> tuple[tuple[datetime, Plan], ...]:
        """Return the plans that runs were stored with, each with its start, from `since` to the window's end."""
        return tuple(plan_periods(self.connection, replace(self.filter, since=since)))

    def previous(self) -> RunSelection:
        """Return the same selection for the window of equal length before.

        Raises:
            UsageError: that window would begin before year 1.
        """
        since, until = self.window.since, self.window.until
        try:
            return replace(self, window=Window(since - (until - since), since))
        except OverflowError as error:
            raise UsageError("there is no window of equal length before this one: choose a later start") from error


def load_subject(selection: RunSelection, *, zone: ZoneInfo, made_at: datetime, plan: Plan) -> ReportSubject:
    """Read what a report of a window needs, without a comparison and without rules."""
    names = window_names(selection.connection, selection.filter)
    return ReportSubject(
        columns=selection.columns(),
        window=selection.window,
        zone=zone,
        made_at=made_at,
        version=__version__,
        plan=plan,
        plan_periods=selection.plan_periods(selection.window.since),
        incidents=selection.incidents(),
        engines=names.engines,
        addresses=names.addresses,
    )


def add_comparison(subject: ReportSubject, selection: RunSelection) -> ReportSubject:
    """Return a subject with the window of equal length before.

    Raises:
        UsageError: that window would begin before year 1.
    """
    before = selection.previous()
    return replace(
        subject,
        plan_periods=selection.plan_periods(before.window.since),
        previous=before.columns(),
        previous_window=before.window,
        previous_incidents=before.incidents(),
    )
