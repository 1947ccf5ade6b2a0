"""What a report is about, read from the store: all in one transaction, so that everything tells of the same runs."""

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
    """Which runs: of an open connection, in a window, over a path (None: any), of rows of probes (none: all)."""

    connection: Connection
    window: Window
    path: Path | None = None
    probes: tuple[int, ...] = ()

    def runs(self) -> Iterator[Run]:
        """Yield the runs, oldest first; each time the same."""
        since, until = self.window.since, self.window.until
        return read.runs(self.connection, since=since, until=until, path=self.path, probes=self.probes)

    def columns(self) -> Columns:
        """Return the runs with all their numbers."""
        since, until = self.window.since, self.window.until
        return read.columns(self.connection, since=since, until=until, names=UNITS, path=self.path, probes=self.probes)

    def incidents(self) -> tuple[Incident, ...]:
        """Return the outages, oldest first."""
        return tuple(sorted(incidents(self.runs()), key=lambda incident: incident.began))

    def spells(self, since: datetime) -> tuple[tuple[datetime, Plan], ...]:
        """Return which plan judged the runs from when, from a moment to the end of the window."""
        found = plans.spells(self.connection, since=since, until=self.window.until, path=self.path, probes=self.probes)
        return tuple(found)

    def before(self) -> Chosen:
        """Return the same for the window of equal length before.

        Raises:
            UsageError: there is no such time.
        """
        since, until = self.window.since, self.window.until
        try:
            return replace(self, window=Window(since - (until - since), since))
        except OverflowError as error:
            raise UsageError("there is no time of equal length before the window: begin later") from error


def subject(chosen: Chosen, *, zone: ZoneInfo, made_at: datetime, plan: Plan) -> Subject:
    """Return what a report of a window needs to be told; compared with nothing, tested against no rules."""
    since, until = chosen.window.since, chosen.window.until
    names = told(chosen.connection, since=since, until=until, path=chosen.path, probes=chosen.probes)
    return Subject(
        columns=chosen.columns(),
        window=chosen.window,
        zone=zone,
        made_at=made_at,
        version=__version__,
        plan=plan,
        spells=chosen.spells(since),
        incidents=chosen.incidents(),
        engines=names.engines,
        addresses=names.addresses,
    )


def compared(found: Subject, chosen: Chosen) -> Subject:
    """Return a subject with the window of equal length before.

    Raises:
        UsageError: there is no such time.
    """
    before = chosen.before()
    return replace(
        found,
        spells=chosen.spells(before.window.since),
        previous=before.columns(),
        previous_window=before.window,
        previous_incidents=before.incidents(),
    )
