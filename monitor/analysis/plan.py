"""The plan that was in force when each run started, and how many results fell below it. Pure.

A run is compared with the plan that it was stored with. `PlanHistory` also knows the plan of runs stored without one,
for reports; `PlanLine` is what a graph draws.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analysis.columns import NO_PLAN
from monitor.analysis.metrics import PLAN_MET_PCT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from monitor.analysis.columns import Columns
    from monitor.analysis.metrics import Metric
    from monitor.analysis.series import RunSeries
    from monitor.model import Plan


# Lower shares of the plan, in percent, for which a report counts the tests below.
LOWER_LIMITS = (50, 80)


def share_limits(met_pct: float = PLAN_MET_PCT) -> tuple[float, ...]:
    """Return the shares of the plan, in percent, for which a report counts the tests below; the last one meets it."""
    return (*(limit for limit in LOWER_LIMITS if limit < met_pct), met_pct)


def reaches_share(values: NDArray[Any], promised: NDArray[Any] | float, limit: float) -> NDArray[np.bool_]:
    """Return a mask of the values at or above a share, in percent, of what was promised."""
    # Multiplied by 100 instead of divided: whole numbers stay exact, so that 90 % is not below 90 %.
    reached: NDArray[np.bool_] = 100.0 * values >= limit * promised
    return reached


def promised_values(runs: Columns, metric: Metric) -> NDArray[np.float64]:
    """Return for each run what the plan that it was stored with promises, NaN for nothing."""
    return runs.per_run([metric.promised(run.plan) or np.nan for run in runs.attributes], np.float64)


@dataclass(frozen=True, slots=True)
class PlanHistory:
    """Plans by the time from which runs were stored with them, oldest first; the first also holds before that time.

    `default` is the plan of all runs if none was stored with one. If only some were stored with a plan, the others are
    not compared with any, as in graphs.
    """

    periods: tuple[tuple[datetime, Plan], ...]
    default: Plan = NO_PLAN

    @property
    def has_plans(self) -> bool:
        """Whether any run was stored with a plan."""
        return any(plan != NO_PLAN for _, plan in self.periods)

    @property
    def is_retroactive(self) -> bool:
        """Whether runs are compared with a plan that was configured after they ran."""
        return bool(self.periods) and not self.has_plans and self.default != NO_PLAN

    @property
    def has_runs_without_plan(self) -> bool:
        """Whether some runs were stored with a plan and others without."""
        return self.has_plans and any(plan == NO_PLAN for _, plan in self.periods)

    def promised(self, columns: Columns, metric: Metric) -> NDArray[np.float64]:
        """Return what each run's plan promises of a metric, NaN for nothing.

        A run that was stored with a plan is compared with that; any other with the one in force when it started.
        """
        starts = np.array([moment.timestamp() for moment, _ in self.periods[1:]], np.float64)
        by_period = np.array([metric.promised(plan) or np.nan for plan in self._plans()], np.float64)
        by_time = by_period[np.searchsorted(starts, columns.started, side="right")]
        has_own = columns.where(lambda run: run.plan != NO_PLAN)
        return np.where(has_own, promised_values(columns, metric), by_time)

    def plan_at(self, moment: datetime) -> Plan:
        """Return the plan in force at a moment."""
        if not self.periods:
            return self.default
        return self._plans()[bisect_right(self.periods, moment, lo=1, key=itemgetter(0)) - 1]

    def plans_between(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, Plan]]:
        """Yield the plans in force in [since, until), each with the moment from which it was, oldest first."""
        changes = [moment for moment, _ in self.periods[1:] if since < moment < until]
        yield from _drop_repeats((moment, self.plan_at(moment)) for moment in (since, *changes))

    def _plans(self) -> list[Plan]:
        if self.has_plans:
            return [plan for _, plan in self.periods]
        return [self.default] * max(1, len(self.periods))


def _drop_repeats(periods: Iterable[tuple[datetime, Plan]]) -> Iterator[tuple[datetime, Plan]]:
    """Yield the first of each row of periods with the same plan."""
    return (next(same) for _, same in groupby(periods, key=itemgetter(1)))


@dataclass(frozen=True, slots=True)
class PlanLine:
    """The promised value over time: (epoch second, value in the unit of the metric) steps, oldest first; NaN for none.

    Runs stored without a plan contribute nothing and are not compared with a plan.
    """

    steps: tuple[tuple[float, float], ...]

    @property
    def newest(self) -> float | None:
        """The promised value at the end; None for none."""
        value = self.steps[-1][1]
        return None if np.isnan(value) else value

    def line(self, end: float) -> list[list[tuple[float, float]]]:
        """Return the polylines to draw, up to `end`."""
        lines: list[list[tuple[float, float]]] = []
        ends = [*(at for at, _ in self.steps[1:]), end]
        for (start, promised), until in zip(self.steps, ends, strict=True):
            if np.isnan(promised):
                continue
            if lines and lines[-1][-1][0] == start:
                lines[-1] += [(start, promised), (until, promised)]
            else:
                lines.append([(start, promised), (until, promised)])
        return lines


def plan_lines(all_series: Sequence[RunSeries], metric: Metric, plan: Plan, start: float) -> tuple[PlanLine, ...]:
    """Return the plan lines of the series without duplicates; without any series that of `plan`."""
    lines = [_plan_line(series.runs, metric, start) for series in all_series] or [
        _constant_line(metric.promised(plan), start)
    ]
    return tuple(dict.fromkeys(lines))


def highest_promise(lines: Sequence[PlanLine]) -> float | None:
    """Return the highest value ever promised; None for none."""
    return max(promised_levels(lines), default=None)


def promised_levels(lines: Sequence[PlanLine]) -> list[float]:
    """Return all promised values without duplicates, the newest of the first line last."""
    values = [value for line in reversed(lines) for _, value in line.steps if not np.isnan(value)]
    return list(reversed(dict.fromkeys(reversed(values))))


def newest_promise(lines: Sequence[PlanLine]) -> float | None:
    """Return the newest value of the first line that has one."""
    return next((value for line in lines if (value := line.newest)), None)


def _constant_line(value: float | None, start: float) -> PlanLine:
    return PlanLine(((start, np.nan if value is None else float(value)),))


def _plan_line(runs: Columns, metric: Metric, start: float) -> PlanLine:
    known = {metric.promised(run.plan) for run, _ in runs.counts() if run.plan != NO_PLAN}
    unjudged = any(run.trusted and run.plan == NO_PLAN for run, _ in runs.counts())
    if not known or (len(known) == 1 and not unjudged):
        return _constant_line(next(iter(known), None), start)
    places = np.flatnonzero(runs.where(lambda run: run.plan != NO_PLAN))
    values = np.nan_to_num(promised_values(runs, metric)[places])
    steps = np.flatnonzero(np.diff(values, prepend=-1))
    times = runs.seconds[places[steps]].tolist()
    if not runs.where(lambda run: run.trusted)[: next(iter(places), 0)].any():
        times[:1] = [start]
    return PlanLine(tuple((at, value or np.nan) for at, value in zip(times, values[steps].tolist(), strict=True)))


@dataclass(frozen=True, slots=True)
class PlanMisses:
    """Of `tests` tests that can be compared with a plan, `count` missed the limit, which is in percent of the plan."""

    limit: float
    count: int
    tests: int

    @property
    def percent(self) -> float:
        """The share of the tests that missed the limit, in percent."""
        return 100 * self.count / self.tests

    @property
    def met_percent(self) -> float:
        """The share of the tests that did not miss it, in percent."""
        return 100 * (self.tests - self.count) / self.tests


def count_below_shares(
    values: NDArray[np.float64], promised: NDArray[np.float64], limits: Sequence[float]
) -> tuple[PlanMisses, ...]:
    """Return for each limit, in percent, how many values are below that share of the plan; empty without a plan."""
    comparable = ~np.isnan(values) & ~np.isnan(promised)
    tests = int(np.count_nonzero(comparable))
    if not tests:
        return ()
    missed = [~reaches_share(values[comparable], promised[comparable], limit) for limit in limits]
    return tuple(
        PlanMisses(limit, int(np.count_nonzero(below)), tests) for limit, below in zip(limits, missed, strict=True)
    )


def count_above_plan(values: NDArray[np.float64], promised: NDArray[np.float64]) -> PlanMisses | None:
    """Return how many values (latencies) are above the plan; None without a plan."""
    comparable = ~np.isnan(values) & ~np.isnan(promised)
    tests = int(np.count_nonzero(comparable))
    return PlanMisses(100, int(np.count_nonzero(values[comparable] > promised[comparable])), tests) if tests else None
