"""All numbers of a report, computed from the runs of a window. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.analysis.calendar import MetPlan, group_by_hour, group_by_weekday
from monitor.analysis.changepoint import daily_medians, find_level_shifts
from monitor.analysis.columns import NO_PLAN, join_columns
from monitor.analysis.metrics import PLAN_MET_PCT, SPEED_METRICS
from monitor.analysis.plan import PlanHistory
from monitor.analysis.statistics import compute_statistics, count_sources
from monitor.report.rules import judge_by_profile

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.analysis.calendar import CalendarBin
    from monitor.analysis.changepoint import Drift, LevelShift
    from monitor.analysis.columns import Columns
    from monitor.analysis.outages import Incident
    from monitor.analysis.statistics import RunSources, WindowStatistics
    from monitor.localtime import Window
    from monitor.model import Plan
    from monitor.report.rules import ProfileResult, RuleProfile


@dataclass(frozen=True, slots=True)
class ReportSubject:
    """What a report is about, as read from the store and the configuration.

    Attributes:
        columns: the runs of `window`, with all metrics of `monitor.analysis.metrics.UNITS`; preferably of one probe
            and path.
        plan: the plan in the configuration, for runs of which none was stored with a plan.
        plan_periods: the plans by the time from which runs were stored with them, oldest first; they include the
            window before if that is compared.
        incidents: the outages of the window's runs.
        made_at: when the report is made; `version`: of this program.
        previous, previous_window, previous_incidents: the window of equal length before; None: nothing is compared.
        met_pct: a test at or above this percentage of its plan met it.
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
    met_pct: float = PLAN_MET_PCT
    rules: RuleProfile | None = None
    engines: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PreviousWindow:
    """The window before: its statistics, and the changes of level over both windows, by metric."""

    window: Window
    figures: WindowStatistics
    changes: dict[str, tuple[LevelShift, ...] | Drift]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All numbers of a report. `compliance` and `previous` are None if nothing is tested or compared."""

    subject: ReportSubject
    source: RunSources
    plans: PlanHistory
    figures: WindowStatistics
    hours: tuple[CalendarBin, ...]
    weekdays: tuple[CalendarBin, ...]
    compliance: ProfileResult | None
    previous: PreviousWindow | None


def gather_evidence(subject: ReportSubject) -> Evidence:
    """Compute all numbers of a report.

    Raises:
        UsageError: windows are compared, and the library that finds the day of a change is not installed.
    """
    columns, zone = subject.columns, subject.zone
    plans = PlanHistory(subject.plan_periods, subject.plan)
    return Evidence(
        subject=subject,
        source=count_sources(columns),
        plans=plans,
        figures=compute_statistics(columns, subject.window, subject.incidents, plans, subject.met_pct),
        hours=group_by_hour(columns, MetPlan(plans, subject.met_pct), zone),
        weekdays=group_by_weekday(columns, MetPlan(plans, subject.met_pct), zone),
        compliance=judge_by_profile(columns, plans, zone, subject.rules) if subject.rules else None,
        previous=_compare_windows(subject, plans),
    )


def _compare_windows(subject: ReportSubject, plans: PlanHistory) -> PreviousWindow | None:
    if subject.previous is None or subject.previous_window is None:
        return None
    both = join_columns((subject.previous, subject.columns), SPEED_METRICS)
    return PreviousWindow(
        window=subject.previous_window,
        figures=compute_statistics(
            subject.previous, subject.previous_window, subject.previous_incidents, plans, subject.met_pct
        ),
        changes={name: find_level_shifts(daily_medians(both, name, subject.zone)) for name in SPEED_METRICS},
    )
