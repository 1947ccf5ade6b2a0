"""What was sold when each run was made: a run is judged by the plan that was in force when it started. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from monitor.model import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from numpy.typing import NDArray

NOTHING = Plan()
SOLD = frozenset(field.name for field in fields(Plan))
"""The numbers that a plan can promise; the names are those of a run."""


@dataclass(frozen=True, slots=True)
class Promised:
    """The plans by when they began; before the first one that one holds, and `otherwise` where nothing was noted."""

    spells: tuple[tuple[datetime, Plan], ...]
    otherwise: Plan = NOTHING

    @property
    def retold(self) -> bool:
        """Whether runs without a plan of their own are judged by the one that was written down later."""
        return self.otherwise != NOTHING and any(plan == NOTHING for _, plan in self.spells)

    def sold(self, started: NDArray[np.int64], name: str) -> NDArray[np.float64]:
        """Return what was promised of a number to runs that started then (epoch seconds), NaN for nothing."""
        values = [getattr(plan, name) for plan in self._plans()]
        known = np.array([np.nan if value is None else value for value in values], np.float64)
        begins = np.array([moment.timestamp() for moment, _ in self.spells[1:]], np.float64)
        found: NDArray[np.float64] = known[np.searchsorted(begins, started, side="right")]
        return found

    def at(self, moment: datetime) -> Plan:
        """Return the plan in force at a moment."""
        begun = sum(since <= moment for since, _ in self.spells[1:])
        return self._plans()[begun]

    def during(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, Plan]]:
        """Yield the plans in force in [since, until), each with the moment from which it was, oldest first."""
        yield from _changes([(since, self.at(since)), *self._within(since, until)])

    def _within(self, since: datetime, until: datetime) -> Iterable[tuple[datetime, Plan]]:
        return [(moment, self.at(moment)) for moment, _ in self.spells[1:] if since < moment < until]

    def _plans(self) -> list[Plan]:
        named = [plan if plan != NOTHING else self.otherwise for _, plan in self.spells]
        return named or [self.otherwise]


def _changes(spells: Iterable[tuple[datetime, Plan]]) -> Iterator[tuple[datetime, Plan]]:
    return (next(same) for _, same in groupby(spells, key=itemgetter(1)))
