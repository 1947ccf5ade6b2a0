"""Reads from the store what a report is about, in one transaction, so that all of it is about the same runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor import __version__
from monitor.errors import UsageError
from monitor.graph.data import Window
from monitor.incidents import incidents
from monitor.numbers import UNITS
from monitor.report.evidence import Subject
from monitor.store import plans, read
from monitor.store.told import told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from monitor.columns import Columns
    from monitor.incidents import Incident
    from monitor.model import Path, Plan, Run


@dataclass(frozen=True, slots=True)
class Chosen:
    """Runs to read: from an open connection, in a window, over a path (None: any), of probes by key (none: all)."""

    connection: Connection
    window: Window
    path: Path | None = None
    probes: tuple[int, ...] = ()

    def runs(self) -> Iterator[Run]:
        """Yield the runs, oldest first. Every call within the transaction yields the same."""
        since, until = self.window.since, self.window.until
        return read.runs(self.connection, since=since, until=until, path=self.path, probes=self.probes)

    def columns(self) -> Columns:
        """Return the runs with all metrics."""
        since, until = self.window.since, self.window.until
        return read.columns(self.connection, since=since, until=until, names=UNITS, path=self.path, probes=self.probes)

    def incidents(self) -> tuple[Incident, ...]:
        """Return the outages, oldest first."""
        return tuple(sorted(incidents(self.runs()), key=lambda incident: incident.began))

    def plan_periods(self, since: datetime) -> tuple[tuple[datetime, Plan], ...]:
        """Return the plans that runs were stored with, each with its start, from `since` to the window's end."""
        until = self.window.until
        return tuple(plans.spells(self.connection, since=since, until=until, path=self.path, probes=self.probes))

    def previous(self) -> Chosen:
        """Return the same selection for the window of equal length before.

        Raises:
            UsageError: that window would begin before year 1.
        """
        since, until = self.window.since, self.window.until
        try:
            return replace(self, window=Window(since - (until - since), since))
        except OverflowError as error:
            raise UsageError("there is no window of equal length before this one: choose a later start") from error


def subject(selection: Chosen, *, zone: ZoneInfo, made_at: datetime, plan: Plan) -> Subject:
    """Read what a report of a window needs, without a comparison and without rules."""
    since, until = selection.window.since, selection.window.until
    names = told(selection.connection, since=since, until=until, path=selection.path, probes=selection.probes)
    return Subject(
        columns=selection.columns(),
        window=selection.window,
        zone=zone,
        made_at=made_at,
        version=__version__,
        plan=plan,
        plan_periods=selection.plan_periods(since),
        incidents=selection.incidents(),
        engines=names.engines,
        addresses=names.addresses,
    )


def compared(about: Subject, selection: Chosen) -> Subject:
    """Return a subject with the window of equal length before.

    Raises:
        UsageError: that window would begin before year 1.
    """
    before = selection.previous()
    return replace(
        about,
        plan_periods=selection.plan_periods(before.window.since),
        previous=before.columns(),
        previous_window=before.window,
        previous_incidents=before.incidents(),
    )
