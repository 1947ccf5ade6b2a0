"""What a report is about, read from the store: all in one transaction, so that everything tells of the same runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor import __version__
from monitor.columns import UNITS
from monitor.graph.data import Window
from monitor.incidents import incidents
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

    def before(self) -> Chosen:
        """Return the same for the window of equal length before."""
        since, until = self.window.since, self.window.until
        return replace(self, window=Window(since - (until - since), since))


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
        spells=tuple(plans.spells(chosen.connection, since=since, until=until)),
        incidents=chosen.incidents(),
        engines=names.engines,
        addresses=names.addresses,
    )


def compared(found: Subject, chosen: Chosen) -> Subject:
    """Return a subject with the window of equal length before.

    Raises:
        ValueError: there is no such time.
    """
    before = chosen.before()
    spells = plans.spells(chosen.connection, since=before.window.since, until=chosen.window.until)
    return replace(
        found,
        spells=tuple(spells),
        previous=before.columns(),
        previous_window=before.window,
        previous_incidents=before.incidents(),
    )
