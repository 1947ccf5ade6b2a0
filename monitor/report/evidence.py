"""All numbers of a report, computed from the runs of a window. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.columns import NO_PLAN, joined
from monitor.report.changepoint import changes
from monitor.report.daily import daily
from monitor.report.figures import figures
from monitor.report.promised import Promised
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
    """What a report is about, as read from the store and the configuration.

    Attributes:
        columns: the runs of `window`, with all metrics of `monitor.columns.UNITS`; preferably of one probe and path.
        plan: the plan in the configuration, for runs of which none was stored with a plan.
        plan_periods: the plans by the time from which runs were stored with them, oldest first; they include the
            window before if that is compared.
        incidents: the outages of the window's runs.
        made_at: when the report is made; `version`: of this program.
        previous, previous_window, previous_incidents: the window of equal length before; None: nothing is compared.
        rules: the profile that the runs are tested against; None: no such test.
        engines: names with versions, such as `ookla 1.2.0.84`; if empty, the names in the runs are shown.
        addresses: external addresses of the tests, by which an ISP can identify the line.
        facts: more lines for "who measured what": names and values.
    """

    columns: Columns
    window: Window
    zone: ZoneInfo
    made_at: datetime
    version: str
    plan: Plan = NO_PLAN
    plan_periods: tuple[tuple[datetime, Plan], ...] = ()
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
    """The window before: its statistics, and the changes of level over both windows, by metric."""

    window: Window
    figures: Figures
    changes: dict[str, tuple[Change, ...] | Drift]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All numbers of a report. `compliance` and `previous` are None if nothing is tested or compared."""

    subject: Subject
    source: Source
    plans: Promised
    figures: Figures
    hours: tuple[Slot, ...]
    weekdays: tuple[Slot, ...]
    compliance: Verdict | None
    previous: Before | None


def gather(subject: Subject) -> Evidence:
    """Compute all numbers of a report.

    Raises:
        UsageError: windows are compared, and the library that finds the day of a change is not installed.
    """
    columns, zone = subject.columns, subject.zone
    plans = Promised(subject.plan_periods, subject.plan)
    return Evidence(
        subject=subject,
        source=source(columns),
        plans=plans,
        figures=figures(columns, subject.window, subject.incidents, plans),
        hours=by_hour(columns, plans, zone),
        weekdays=by_weekday(columns, plans, zone),
        compliance=verdict(columns, plans, zone, subject.rules) if subject.rules else None,
        previous=_before(subject, plans),
    )


def _before(subject: Subject, plans: Promised) -> Before | None:
    if subject.previous is None or subject.previous_window is None:
        return None
    both = joined((subject.previous, subject.columns), SHOWN)
    return Before(
        window=subject.previous_window,
        figures=figures(subject.previous, subject.previous_window, subject.previous_incidents, plans),
        changes={name: changes(daily(both, name, subject.zone)) for name in SHOWN},
    )
