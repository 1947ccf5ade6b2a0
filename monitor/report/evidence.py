"""All numbers of a report, from the runs of a window. Pure: no clock, no file; `document` puts them into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.columns import joined
from monitor.report.changepoint import changes
from monitor.report.daily import daily
from monitor.report.figures import figures
from monitor.report.promised import NOTHING, Promised
from monitor.report.slots import SHOWN, by_hour, by_weekday
from monitor.report.source import source
from monitor.report.verdict import verdict

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.columns import Columns
    from monitor.graph.data import Window
    from monitor.incidents import Incident
    from monitor.model import Plan
    from monitor.report.changepoint import Change, Drift
    from monitor.report.figures import Figures
    from monitor.report.profile import Profile
    from monitor.report.slots import Slot
    from monitor.report.source import Source
    from monitor.report.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report is about, as the caller read it from the store and the configuration.

    Attributes:
        columns: the runs of `window`, with all the numbers of `monitor.columns.UNITS`; best of one probe and one path.
        plan: what the configuration says now; it judges runs that were stored without a plan.
        spells: which plan judged the runs and from when, oldest first, over the window before as well if compared.
        incidents: those of the window's runs, as `monitor.incidents.incidents` gives them.
        made_at: when the report is made; `version`: of this program.
        previous, previous_window, previous_incidents: the window of equal length before; None: nothing is compared.
        rules: what the runs are tested against; None: no such test.
        engines: each as `ookla 1.2.0.84`, where its versions are known; else the names in the runs are given.
        addresses: external addresses that the tests went out from, which an ISP knows a line by.
        facts: more lines for "who measured what", each a name and what is so, such as the machine.
    """

    columns: Columns
    window: Window
    zone: ZoneInfo
    made_at: datetime
    version: str
    plan: Plan = NOTHING
    spells: tuple[tuple[datetime, Plan], ...] = ()
    incidents: tuple[Incident, ...] = ()
    previous: Columns | None = None
    previous_window: Window | None = None
    previous_incidents: tuple[Incident, ...] = ()
    rules: Profile | None = None
    engines: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Before:
    """The window before: what is counted of it, and what changed over both, by the name of the number."""

    window: Window
    figures: Figures
    changes: dict[str, tuple[Change, ...] | Drift]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was counted; see each part. `verdict` and `before` are None where they were not asked for."""

    subject: Subject
    source: Source
    promised: Promised
    figures: Figures
    hours: tuple[Slot, ...]
    weekdays: tuple[Slot, ...]
    verdict: Verdict | None
    before: Before | None


def gather(subject: Subject) -> Evidence:
    """Return all numbers of a report.

    Raises:
        UsageError: windows are compared, and the library that finds the day of a change is not installed.
    """
    columns, zone = subject.columns, subject.zone
    promised = Promised(subject.spells, subject.plan)
    return Evidence(
        subject=subject,
        source=source(columns),
        promised=promised,
        figures=figures(columns, subject.window, subject.incidents, promised),
        hours=by_hour(columns, promised, zone),
        weekdays=by_weekday(columns, promised, zone),
        verdict=verdict(columns, promised, zone, subject.rules) if subject.rules else None,
        before=_before(subject, promised),
    )


def _before(subject: Subject, promised: Promised) -> Before | None:
    if subject.previous is None or subject.previous_window is None:
        return None
    together = joined((subject.previous, subject.columns), SHOWN)
    return Before(
        window=subject.previous_window,
        figures=figures(subject.previous, subject.previous_window, subject.previous_incidents, promised),
        changes={name: changes(daily(together, name, subject.zone)) for name in SHOWN},
    )
