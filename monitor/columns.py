"""Runs as columns, oldest first: what graphs and reports count with, so that a million of them is no matter. Pure.

Whatever a run is called (its status, engine, server and so on) is its `Sort`, of which there are few: a question by
name is asked of each sort once and looked up for the runs. Numbers are kept whole, see `UNITS`, 0 for a missing one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitor.model import HARMLESS, Kind, Path, Plan, Run, Scope, Server, Status
from monitor.numbers import UNITS, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

__all__ = ["UNITS", "Columns", "Sort", "joined", "smallest", "whole"]

NO_PLAN = Plan()
# As many at a time are counted: numpy makes wide numbers of them on the way.
_BLOCK = 65_536
_FEW = 12
_SMALL = (np.uint8, np.uint16, np.uint32, np.uint64)


@dataclass(frozen=True, slots=True)
class Sort:
    """What runs have in common; `kind` and `scope` are those of a failure, `doubts` what makes numbers doubtful.

    `plan` is what judged them, where that is known: a `Run` does not tell it, the store does. The fields that a `Run`
    has too are called the same and mean the same.
    """

    probe: str
    path: Path
    status: Status
    engine: str
    healthy: bool | None = None
    kind: Kind | None = None
    scope: Scope | None = None
    ip_family: int | None = None
    isp: str | None = None
    server: Server | None = None
    doubts: tuple[str, ...] = ()
    plan: Plan = NO_PLAN

    @classmethod
    def of(cls, run: Run) -> Sort:
        """Return the sort of a run."""
        return cls(
            probe=run.probe,
            path=run.path,
            status=run.status,
            engine=run.engine,
            healthy=run.healthy,
            kind=run.failure.kind if run.failure else None,
            scope=run.failure.scope if run.failure else None,
            ip_family=run.ip_family,
            isp=run.isp,
            server=run.server,
            doubts=tuple(remark.kind for remark in run.remarks if remark.kind not in HARMLESS),
        )

    @property
    def trusted(self) -> bool:
        """Whether its numbers speak for the line."""
        return self.status is Status.OK and self.healthy is not False

    @property
    def doubtful(self) -> bool:
        """Whether it has numbers that do not: they went the wrong way, or the uplink was busy with others."""
        return self.status is Status.OK and self.healthy is False

    @property
    def broken(self) -> bool:
        """Whether it was started and came to nothing."""
        return self.status in {Status.FAILED, Status.INTERRUPTED}

    @property
    def blamed(self) -> Scope:
        """Whose fault a broken run is."""
        return self.scope or Scope.UNKNOWN


@dataclass(frozen=True, slots=True)
class Columns:
    """Runs, oldest first: arrays of one length.

    `seconds` is when they started, in epoch seconds, and `lasted` how long they took; `sort` is the place in `sorts`;
    `numbers` are by the names of `UNITS`, 1 more than what is kept there and 0 for nothing. A name is missing where
    nobody asked for it. Arrays of unsigned numbers must not be subtracted from each other: take `started`.
    """

    sorts: tuple[Sort, ...]
    seconds: NDArray[np.uint32]
    lasted: NDArray[Any]
    sort: NDArray[Any]
    numbers: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, runs: Iterable[Run]) -> Columns:
        """Return runs, in whatever order they come, as columns."""
        listed = sorted(runs, key=lambda run: run.started_at)
        places: dict[Sort, int] = {}
        sort = [places.setdefault(Sort.of(run), len(places)) for run in listed]
        seconds = np.array([run.started_at.timestamp() for run in listed], np.uint32)
        lasted = [max(int((run.finished_at - run.started_at).total_seconds()), 0) for run in listed]
        numbers = {name: smallest([whole(getattr(run, name), unit) for run in listed]) for name, unit in UNITS.items()}
        return cls(tuple(places), seconds, smallest(lasted), smallest(sort), numbers)

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def started(self) -> NDArray[np.int64]:
        """When each run started, epoch seconds; made anew each time."""
        return self.seconds.astype(np.int64)

    @property
    def finished(self) -> NDArray[np.int64]:
        """When each run ended."""
        return self.started + self.lasted.astype(np.int64)

    def where(self, test: Callable[[Sort], bool]) -> NDArray[np.bool_]:
        """Return for each run whether its sort passes a test."""
        answers = list(map(test, self.sorts))
        rarer = answers.count(True) * 2 > len(answers)
        few = [place for place, answer in enumerate(answers) if answer is not rarer]
        if len(few) > _FEW:
            return self.told(answers, bool)
        # Comparing whole columns with a few numbers is many times faster than looking each up.
        found = np.zeros(len(self), bool)
        for place in few:
            found |= self.sort == place
        return ~found if rarer else found

    def told(self, answers: Sequence[Any], dtype: Any) -> NDArray[Any]:
        """Return for each run what was answered for its sort, given in the order of `sorts`."""
        told, found = np.array(answers, dtype), np.empty(len(self), dtype)
        for begin in range(0, len(self), _BLOCK):
            np.take(told, self.sort[begin : begin + _BLOCK], out=found[begin : begin + _BLOCK])
        return found

    def values(self, name: str) -> NDArray[np.float64]:
        """Return a number of each run in the unit of its name, NaN where it was not measured."""
        kept = self.numbers[name]
        found: NDArray[np.float64] = (kept - 1.0) / UNITS[name]
        found[kept == 0] = np.nan
        return found

    def good(self, name: str) -> NDArray[np.bool_]:
        """Return for each run whether it can be trusted and has a number."""
        found: NDArray[np.bool_] = self.where(lambda sort: sort.trusted) & (self.numbers[name] != 0)
        return found

    def measured(self, name: str) -> NDArray[Any]:
        """Return a number of the good runs, in its unit, in order of time: unsigned where that is exact."""
        kept = self.whole(name)
        return kept if UNITS[name] == 1 else kept / UNITS[name]

    def whole(self, name: str) -> NDArray[Any]:
        """Return a number of the good runs as it is kept: `UNITS` of them make one."""
        kept = self.numbers[name][self.good(name)]
        kept -= kept.dtype.type(1)
        return kept

    def only(self, chosen: NDArray[Any] | slice) -> Columns:
        """Return some of the runs: those of a mask, of ascending places or of a slice."""
        numbers = {name: kept[chosen] for name, kept in self.numbers.items()}
        return Columns(self.sorts, self.seconds[chosen], self.lasted[chosen], self.sort[chosen], numbers)

    def counts(self) -> Iterator[tuple[Sort, int]]:
        """Yield the sorts that occur, each with how many runs are of it."""
        return ((sort, int(count)) for sort, count in zip(self.sorts, self._count(), strict=True) if count)

    def _count(self) -> NDArray[np.int64] | list[int]:
        """Return how many runs are of each sort."""
        if len(self.sorts) <= _FEW:
            return [int(np.count_nonzero(self.sort == place)) for place in range(len(self.sorts))]
        found = np.zeros(len(self.sorts), np.int64)
        for begin in range(0, len(self), _BLOCK):
            found += np.bincount(self.sort[begin : begin + _BLOCK], minlength=len(self.sorts))
        return found


def joined(parts: Sequence[Columns], names: Collection[str]) -> Columns:
    """Return the runs of several columns as one, oldest first, with the numbers of these names."""
    places: dict[Sort, int] = {}
    sort = [part.told([places.setdefault(each, len(places)) for each in part.sorts], np.uint32) for part in parts]
    seconds = _end_to_end([part.seconds for part in parts], np.uint32)
    together = Columns(
        tuple(places),
        seconds,
        _end_to_end([part.lasted for part in parts], np.uint8),
        smallest(_end_to_end(sort, np.uint8)),
        {name: _end_to_end([part.numbers[name] for part in parts], np.uint8) for name in names},
    )
    in_order = bool(np.all(seconds[:-1] <= seconds[1:]))
    return together if in_order else together.only(np.argsort(seconds, kind="stable"))


def smallest(values: Sequence[int] | NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers, none below 0, in the smallest type that takes them."""
    highest = int(max(values)) if len(values) else 0
    return np.array(values, next(kind for kind in _SMALL if highest <= np.iinfo(kind).max))


def _end_to_end(arrays: Sequence[NDArray[Any]], otherwise: Any) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.array([], otherwise)
