"""Changes of ISP, server and plan between results. Pure.

Rotation among known servers is not a change: a server is new if none of the `LATELY` results before used it. Servers of
the first results that are used again soon belong to the rotation.
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
# If one kind has more changes than this, names are left out.
MOST = 1000
# The empty name and one other.
ONE = 2


def turns(columns: Columns) -> Iterator[Change]:
    """Yield the changes, kind by kind, each oldest first; results without a name are ignored."""
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
    """The names in results, oldest first, encoded as numbers."""

    def __init__(self, columns: Columns, chosen: NDArray[Any], name_of: Callable[[Sort], str | None]) -> None:
        names = [name_of(run) for run in columns.attributes]
        self._names = ["", *dict.fromkeys(name for name in names if name)]
        numbers = {name: number for number, name in enumerate(self._names)}
        if len(self._names) <= ONE:
            # A single name, the usual case, never changes.
            chosen = np.array([], np.intp)
        number = columns.per_run([numbers[name or ""] for name in names], smallest([len(numbers)]).dtype)[chosen]
        self._times, self._numbers = columns.seconds[chosen][number != 0], number[number != 0]

    def others_than_before(self) -> NDArray[np.intp]:
        """Return the indexes of results with another name than the one before."""
        return np.flatnonzero(self._numbers[1:] != self._numbers[:-1]) + 1

    def new(self) -> NDArray[np.intp]:
        """Return the indexes of results whose name none of the `LATELY` results before has."""
        order = np.argsort(self._numbers, kind="stable")
        since = np.full(len(order), LATELY + 1)
        same = self._numbers[order][1:] == self._numbers[order][:-1]
        since[order[1:][same]] = np.diff(order)[same]
        candidates = np.flatnonzero(since > LATELY)
        return np.array([at for at in candidates if at >= LATELY or self._ends_a_spell(int(at))], np.intp)

    def _ends_a_spell(self, at: int) -> bool:
        """Return whether none of the first names is used again soon; if one is, they are a rotation."""
        before, after = self._numbers[:at], self._numbers[at : at + LATELY]
        return bool(len(before)) and not set(before.tolist()) & set(after.tolist())

    def changes(self, event: Event, places: NDArray[np.intp]) -> Iterator[Change]:
        """Yield the changes at these indexes; without names if there are more than anyone could read."""
        for at in places.tolist():
            names = self._around(at) if len(places) <= MOST else ("", "", False)
            yield Change(float(self._times[at]), event, *names)

    def _around(self, at: int) -> tuple[str, str, bool]:
        this, later = self._numbers[at], self._numbers[at : at + LATELY]
        others = set(self._numbers[max(0, at - LATELY) : at].tolist()) & set(later.tolist())
        return self._names[self._numbers[at - 1]], self._names[this], bool(others - {int(this)})
