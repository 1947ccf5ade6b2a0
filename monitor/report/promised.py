"""What was sold when each run was made: a run is judged by the plan that was in force when it started. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from monitor.model import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from numpy.typing import NDArray

    from monitor.columns import Columns

NOTHING = Plan()


@dataclass(frozen=True, slots=True)
class Promised:
    """The plans by when they began; before the first one that one holds, and `otherwise` where none was ever noted.

    As in the graphs, runs that were stored without a plan among others that have one are held against nothing.
    """

    spells: tuple[tuple[datetime, Plan], ...]
    otherwise: Plan = NOTHING

    @property
    def noted(self) -> bool:
        """Whether any run was stored with a plan."""
        return any(plan != NOTHING for _, plan in self.spells)

    @property
    def retold(self) -> bool:
        """Whether runs are judged by a plan that was written down later."""
        return bool(self.spells) and not self.noted and self.otherwise != NOTHING

    @property
    def unjudged(self) -> bool:
        """Whether some runs were stored without a plan, and others with one."""
        return self.noted and any(plan == NOTHING for _, plan in self.spells)

    def sold(self, columns: Columns, name: str) -> NDArray[np.float64]:
        """Return what was promised of a number to each run, NaN for nothing: by its own plan, else by the spells."""
        begins = np.array([moment.timestamp() for moment, _ in self.spells[1:]], np.float64)
        known = np.array([_number(plan, name) for plan in self._plans()], np.float64)
        by_time = known[np.searchsorted(begins, columns.started, side="right")]
        own = columns.per_run([_number(sort.plan, name) for sort in columns.attributes], np.float64)
        return np.where(columns.where(lambda sort: sort.plan != NOTHING), own, by_time)

    def at(self, moment: datetime) -> Plan:
        """Return the plan in force at a moment."""
        if not self.spells:
            return self.otherwise
        return self._plans()[bisect_right(self.spells, moment, lo=1, key=itemgetter(0)) - 1]

    def during(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, Plan]]:
        """Yield the plans in force in [since, until), each with the moment from which it was, oldest first."""
        yield from _changes([(since, self.at(since)), *self._within(since, until)])

    def _within(self, since: datetime, until: datetime) -> Iterable[tuple[datetime, Plan]]:
        return [(moment, self.at(moment)) for moment, _ in self.spells[1:] if since < moment < until]

    def _plans(self) -> list[Plan]:
        return [plan for _, plan in self.spells] if self.noted else [self.otherwise] * max(1, len(self.spells))


def _number(plan: Plan, name: str) -> float:
    return float(getattr(plan, name) or np.nan)


def _changes(spells: Iterable[tuple[datetime, Plan]]) -> Iterator[tuple[datetime, Plan]]:
    return (next(same) for _, same in groupby(spells, key=itemgetter(1)))
