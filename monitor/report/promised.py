"""The plan that was in force when each run started, which is the one that the run is compared with. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from monitor.columns import NO_PLAN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from monitor.columns import Columns
    from monitor.model import Plan


@dataclass(frozen=True, slots=True)
class Promised:
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

    def promised(self, columns: Columns, name: str) -> NDArray[np.float64]:
        """Return what each run's plan promises of a metric, NaN for nothing.

        A run that was stored with a plan is compared with that; any other with the one in force when it started.
        """
        starts = np.array([moment.timestamp() for moment, _ in self.periods[1:]], np.float64)
        by_period = np.array([_number(plan, name) for plan in self._plans()], np.float64)
        by_time = by_period[np.searchsorted(starts, columns.started, side="right")]
        own = columns.per_run([_number(attributes.plan, name) for attributes in columns.attributes], np.float64)
        return np.where(columns.where(lambda attributes: attributes.plan != NO_PLAN), own, by_time)

    def plan_at(self, moment: datetime) -> Plan:
        """Return the plan in force at a moment."""
        if not self.periods:
            return self.default
        return self._plans()[bisect_right(self.periods, moment, lo=1, key=itemgetter(0)) - 1]

    def plans_between(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, Plan]]:
        """Yield the plans in force in [since, until), each with the moment from which it was, oldest first."""
        changes = [moment for moment, _ in self.periods[1:] if since < moment < until]
        yield from _changes((moment, self.plan_at(moment)) for moment in (since, *changes))

    def _plans(self) -> list[Plan]:
        if self.has_plans:
            return [plan for _, plan in self.periods]
        return [self.default] * max(1, len(self.periods))


def _number(plan: Plan, name: str) -> float:
    return float(getattr(plan, name) or np.nan)


def _changes(periods: Iterable[tuple[datetime, Plan]]) -> Iterator[tuple[datetime, Plan]]:
    """Yield the first of each row of periods with the same plan."""
    return (next(same) for _, same in groupby(periods, key=itemgetter(1)))
