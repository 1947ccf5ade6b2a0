"""What a digest says: medians against the plan and the period before, outages, failures by culprit, data used. Pure.

A period is a local day, or a local week from Monday.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING

from monitor.analysis.metrics import SPEED_METRICS, Metric
from monitor.analysis.outages import counts_in_shares, find_incidents
from monitor.localtime import Window, start_of_day
from monitor.model import Plan, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from monitor.model import Run

WEEKLY, DAILY = "weekly", "daily"

_DAYS = {WEEKLY: 7, DAILY: 1}

_NOTHING_MET: Mapping[tuple[str, str], Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class DigestFigure:
    """A median of the period, of the period before, and what the plan promises; None: not known.

    `met` says of a rate how many tests met the plan, in words; empty without one.
    """

    metric: Metric
    median: float | None
    before: float | None
    plan: float | None
    met: str = ""

    @property
    def plan_pct(self) -> float | None:
        """The median in percent of the plan."""
        return 100 * self.median / self.plan if self.median is not None and self.plan else None

    @property
    def change_pct(self) -> float | None:
        """The change since the period before, in percent."""
        return 100 * (self.median / self.before - 1) if self.median is not None and self.before else None


@dataclass(frozen=True, slots=True)
class DigestOutages:
    """The outages of the period: their number, and the seconds of all and of the longest; one may go on."""

    count: int
    total_s: int
    longest_s: int
    is_ongoing: bool


@dataclass(frozen=True, slots=True)
class DigestSource:
    """The tests of a probe over one path that count; `failures` counts all failed ones by whose fault they were."""

    probe: str
    path: str
    tests: int
    ok: int
    figures: tuple[DigestFigure, ...]
    outages: DigestOutages
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest; `data_bytes` is what the tests of each probe used."""

    period: str
    since: datetime
    until: datetime
    sources: tuple[DigestSource, ...]
    data_bytes: Mapping[str, int]


def last_period(period: str, at: str, now: datetime, zone: ZoneInfo) -> Window:
    """Return the last period whose digest is due: `at` (HH:MM) on the first day after it has passed."""
    hour, _, minute = at.partition(":")
    local = now.astimezone(zone) - timedelta(hours=int(hour), minutes=int(minute))
    day = local.date() - timedelta(days=local.weekday() if period == WEEKLY else 0)
    return Window(start_of_day(day - timedelta(days=_DAYS[period]), zone), start_of_day(day, zone))


def period_before(period: str, window: Window, zone: ZoneInfo) -> Window:
    """Return the period before one."""
    day = window.since.astimezone(zone).date() - timedelta(days=_DAYS[period])
    return Window(start_of_day(day, zone), window.since)


def make_digest(
    period: str,
    window: Window,
    runs: tuple[Sequence[Run], Sequence[Run]],
    plans: Mapping[str, Plan],
    data_bytes: Mapping[str, int],
    plan_met: Mapping[tuple[str, str], Mapping[str, str]] = _NOTHING_MET,
) -> Digest:
    """Return the digest.

    Args:
        period: weekly or daily.
        window: the period.
        runs: the runs of the period and of the one before, oldest first.
        plans: by probe, the plan of its newest run.
        data_bytes: by probe, what its tests used.
        plan_met: by probe and path, and by metric, how many tests met their plan, in words.
    """
    before = _by_source(runs[1])
    sources = (
        _make_source(
            source,
            (of_source, before.get(source, [])),
            plans.get(source[0], Plan()),
            plan_met.get(source, {}),
            window,
        )
        for source, of_source in sorted(_by_source(runs[0]).items())
    )
    return Digest(period, window.since, window.until, tuple(sources), data_bytes)


def _by_source(runs: Iterable[Run]) -> dict[tuple[str, str], list[Run]]:
    grouped: defaultdict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        if run.status in {Status.OK, Status.FAILED} and run.excluded is None:
            grouped[run.probe, run.path.value].append(run)
    return grouped


def _make_source(
    source: tuple[str, str],
    periods: tuple[Sequence[Run], Sequence[Run]],
    plan: Plan,
    plan_met: Mapping[str, str],
    window: Window,
) -> DigestSource:
    runs, before = periods
    figures = (
        DigestFigure(
            metric,
            _median_of(runs, metric),
            _median_of(before, metric),
            metric.promised(plan),
            plan_met.get(metric, ""),
        )
        for metric in SPEED_METRICS
    )
    failures = Counter(run.failure.scope.value for run in runs if run.failure and run.status is Status.FAILED)
    ok = sum(run.status is Status.OK for run in runs)
    counted = sum(counts_in_shares(run.status, run.failure.scope if run.failure else None) for run in runs)
    return DigestSource(*source, counted, ok, tuple(figures), _count_outages(runs, window), dict(failures))


def _median_of(runs: Iterable[Run], metric: Metric) -> float | None:
    known = [value for run in runs if run.healthy is not False and (value := getattr(run, metric)) is not None]
    return median(known) if known else None


def _count_outages(runs: Iterable[Run], window: Window) -> DigestOutages:
    incidents = list(find_incidents(runs))
    lengths = [round(((incident.ended or window.until) - incident.began).total_seconds()) for incident in incidents]
    ongoing = any(incident.ended is None for incident in incidents)
    return DigestOutages(len(incidents), sum(lengths), max(lengths, default=0), ongoing)
