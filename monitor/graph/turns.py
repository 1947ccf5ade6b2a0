"""What changed from result to result: the ISP, the servers that are in use, the plan. Pure.

An engine that chooses among servers changes them all the time, which is no news. So a server counts as new when none of
the `LATELY` results before used it, and those of the first results that come back belong together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.columns import NO_PLAN, smallest
from monitor.graph.data import Change, Event, plan_name, server_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from monitor.columns import Columns, Sort

LATELY = 50
# More changes than this of one kind are told no names.
MOST = 1000
# The empty name and another.
ONE = 2


def turns(columns: Columns) -> Iterator[Change]:
    """Yield the changes of all kinds, each kind oldest first; results that do not tell a name change nothing."""
    trusted = columns.where(lambda run: run.trusted)
    isp, server = _Names(columns, trusted, lambda run: run.isp), _Names(columns, trusted, _server)
    plan = _Names(columns, np.ones(len(columns), bool), _plan)
    yield from isp.changes(Event.ISP, isp.others_than_before())
    yield from server.changes(Event.SERVER, server.new())
    yield from plan.changes(Event.PLAN, plan.others_than_before())


def _server(run: Sort) -> str:
    return server_name(run.server)


def _plan(run: Sort) -> str:
    return "" if run.plan == NO_PLAN else plan_name(run.plan)


class _Names:
    """The names that results tell, oldest first, as numbers."""

    def __init__(self, columns: Columns, chosen: NDArray[Any], name_of: Callable[[Sort], str | None]) -> None:
        names = [name_of(run) for run in columns.attributes]
        self._names = ["", *dict.fromkeys(name for name in names if name)]
        numbers = {name: number for number, name in enumerate(self._names)}
        if len(self._names) <= ONE:
            # One name never changes, and that is so with most.
            chosen = np.array([], np.intp)
        number = columns.per_run([numbers[name or ""] for name in names], smallest([len(numbers)]).dtype)[chosen]
        self._times, self._numbers = columns.seconds[chosen][number != 0], number[number != 0]

    def others_than_before(self) -> NDArray[np.intp]:
        """Return the places of results that tell another name than the one before."""
        return np.flatnonzero(self._numbers[1:] != self._numbers[:-1]) + 1

    def new(self) -> NDArray[np.intp]:
        """Return the places of results whose name none of the `LATELY` results before tells."""
        order = np.argsort(self._numbers, kind="stable")
        since = np.full(len(order), LATELY + 1)
        same = self._numbers[order][1:] == self._numbers[order][:-1]
        since[order[1:][same]] = np.diff(order)[same]
        candidates = np.flatnonzero(since > LATELY)
        return np.array([at for at in candidates if at >= LATELY or self._ends_a_spell(int(at))], np.intp)

    def _ends_a_spell(self, at: int) -> bool:
        """Tell whether none of the first names comes back soon: then it is a change, else they are used in turn."""
        before, after = self._numbers[:at], self._numbers[at : at + LATELY]
        return bool(len(before)) and not set(before.tolist()) & set(after.tolist())

    def changes(self, event: Event, places: NDArray[np.intp]) -> Iterator[Change]:
        """Yield what happened at some places; the names only of a number that somebody could read."""
        for at in places.tolist():
            names = self._around(at) if len(places) <= MOST else ("", "", False)
            yield Change(float(self._times[at]), event, *names)

    def _around(self, at: int) -> tuple[str, str, bool]:
        this, later = self._numbers[at], self._numbers[at : at + LATELY]
        others = set(self._numbers[max(0, at - LATELY) : at].tolist()) & set(later.tolist())
        return self._names[self._numbers[at - 1]], self._names[this], bool(others - {int(this)})
