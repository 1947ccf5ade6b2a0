"""Runs as NumPy columns, oldest first, for graphs and reports over a million runs and more. Pure.

Everything but times and numbers (status, engine, server and so on) is dictionary-encoded: few combinations occur, so a
predicate is evaluated once for each `RunAttributes` and looked up for the runs. Numbers are whole, see `metrics.UNITS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from monitor.analysis.metrics import UNITS, to_stored
from monitor.analysis.outages import LineState, counts_in_shares, line_state
from monitor.model import HARMLESS_DOUBTS, FailureKind, NetworkPath, Plan, Run, Scope, Server, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray


NO_PLAN = Plan()

# Runs are counted in blocks: NumPy widens the codes to 8 bytes each on the way.
_BLOCK = 65_536

# Up to this many values, comparing the whole column with each is faster than a look-up.
_MAX_COMPARED = 12

_UNSIGNED_TYPES = (np.uint8, np.uint16, np.uint32, np.uint64)


@dataclass(frozen=True, slots=True)
class RunAttributes:
    """What runs have in common; `kind` and `scope` are those of a failure, `doubts` the kinds of remarks that matter.

    `plan` is the plan in force, `NO_PLAN` where it is not known: it comes from the store, a `Run` does not carry it.
    The other fields have the names and meanings of those of `Run`.
    """

    probe: str
    path: NetworkPath
    status: Status
    engine: str
    healthy: bool | None = None
    kind: FailureKind | None = None
    scope: Scope | None = None
    ip_family: int | None = None
    isp: str | None = None
    server: Server | None = None
    doubts: tuple[str, ...] = ()
    plan: Plan = NO_PLAN
    line_answered: bool | None = None
    excluded: bool = False

    @classmethod
    def from_run(cls, run: Run) -> RunAttributes:
        """Return the attributes of a run."""
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
            doubts=tuple(remark.kind for remark in run.remarks if remark.kind not in HARMLESS_DOUBTS),
            line_answered=run.line_answered,
            excluded=run.excluded is not None,
        )

    @property
    def succeeded(self) -> bool:
        """Whether it succeeded, and was not excluded."""
        return self.status is Status.OK and not self.excluded

    @property
    def trusted(self) -> bool:
        """Whether its numbers count: it succeeded and nothing makes it doubtful."""
        return self.succeeded and self.healthy is not False

    @property
    def doubtful(self) -> bool:
        """Whether it has numbers that do not count: wrong path, other traffic on the uplink, or excluded."""
        return self.status is Status.OK and (self.excluded or self.healthy is False)

    @property
    def broken(self) -> bool:
        """Whether it was started and failed or was interrupted, and was not excluded."""
        return self.status in {Status.FAILED, Status.INTERRUPTED} and not self.excluded

    @property
    def counted(self) -> bool:
        """Whether a share of "ok" counts it."""
        return counts_in_shares(self.status, self.scope) and not self.excluded

    @property
    def lost(self) -> bool:
        """Whether it failed and a share of "ok" counts it."""
        return self.counted and self.status is not Status.OK

    @property
    def line_state(self) -> LineState:
        """What it proves of the line."""
        if self.excluded:
            return LineState.SILENT
        return line_state(self.status, self.scope, self.kind, answered=self.line_answered)

    @property
    def blamed(self) -> Scope:
        """Whose fault a broken run is."""
        return self.scope or Scope.UNKNOWN


@dataclass(frozen=True, slots=True)
class Columns:
    """Runs, oldest first: arrays of one length.

    `seconds` are the start times in epoch seconds, `durations` in seconds; `codes` are indexes into `attributes`.
    `numbers` are by the names of `UNITS`, 1 more than the stored value and 0 for a missing one; only the names that
    were asked for are present. Never subtract unsigned arrays from each other: use `started`.
    """

    attributes: tuple[RunAttributes, ...]
    seconds: NDArray[np.uint32]
    durations: NDArray[Any]
    codes: NDArray[Any]
    numbers: dict[str, NDArray[Any]]

    @classmethod
    def from_runs(cls, runs: Iterable[Run]) -> Columns:
        """Return runs, given in any order, as columns."""
        ordered = sorted(runs, key=lambda run: run.started_at)
        places: dict[RunAttributes, int] = {}
        codes = [places.setdefault(RunAttributes.from_run(run), len(places)) for run in ordered]
        seconds = np.array([run.started_at.timestamp() for run in ordered], np.uint32)
        durations = [max(int((run.finished_at - run.started_at).total_seconds()), 0) for run in ordered]
        numbers = {
            name: to_smallest_type([to_stored(getattr(run, name), unit) for run in ordered])
            for name, unit in UNITS.items()
        }
        return cls(tuple(places), seconds, to_smallest_type(durations), to_smallest_type(codes), numbers)

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def started(self) -> NDArray[np.int64]:
        """When each run started, in epoch seconds; a new array each time."""
        return self.seconds.astype(np.int64)

    @property
    def finished(self) -> NDArray[np.int64]:
        """When each run ended, in epoch seconds."""
        return self.started + self.durations.astype(np.int64)

    def where(self, test: Callable[[RunAttributes], bool]) -> NDArray[np.bool_]:
        """Return a mask of the runs whose attributes pass a test."""
        answers = list(map(test, self.attributes))
        rarer = answers.count(True) * 2 > len(answers)
        few = [place for place, answer in enumerate(answers) if answer is not rarer]
        if len(few) > _MAX_COMPARED:
            return self.per_run(answers, bool)
        mask = np.zeros(len(self), bool)
        for place in few:
            mask |= self.codes == place
        return ~mask if rarer else mask

    def per_run(self, answers: Sequence[Any], dtype: Any) -> NDArray[Any]:
        """Return for each run the answer for its attributes; answers come in the order of `attributes`."""
        table, column = np.array(answers, dtype), np.empty(len(self), dtype)
        for begin in range(0, len(self), _BLOCK):
            np.take(table, self.codes[begin : begin + _BLOCK], out=column[begin : begin + _BLOCK])
        return column

    def values(self, name: str) -> NDArray[np.float64]:
        """Return a number of each run in the unit of its name, NaN where it was not measured."""
        stored = self.numbers[name]
        column: NDArray[np.float64] = (stored - 1.0) / UNITS[name]
        column[stored == 0] = np.nan
        return column

    def good(self, name: str) -> NDArray[np.bool_]:
        """Return a mask of the runs that are trusted and have this number."""
        mask: NDArray[np.bool_] = self.where(lambda run: run.trusted) & (self.numbers[name] != 0)
        return mask

    def measured(self, name: str) -> NDArray[Any]:
        """Return a number of the good runs in its unit, oldest first; unsigned where that is exact."""
        stored = self.stored(name)
        return stored if UNITS[name] == 1 else stored / UNITS[name]

    def stored(self, name: str) -> NDArray[Any]:
        """Return a number of the good runs as stored: `UNITS[name]` of them make one of its unit."""
        stored = self.numbers[name][self.good(name)]
        stored -= stored.dtype.type(1)
        return stored

    def select(self, chosen: NDArray[Any] | slice) -> Columns:
        """Return the runs of a mask, of ascending indexes or of a slice."""
        numbers = {name: stored[chosen] for name, stored in self.numbers.items()}
        return Columns(self.attributes, self.seconds[chosen], self.durations[chosen], self.codes[chosen], numbers)

    def counts(self) -> Iterator[tuple[RunAttributes, int]]:
        """Yield the attributes that occur, each with its number of runs."""
        return (
            (attributes, int(count)) for attributes, count in zip(self.attributes, self._count(), strict=True) if count
        )

    def _count(self) -> NDArray[np.int64] | list[int]:
        """Return the number of runs for each of `attributes`."""
        if len(self.attributes) <= _MAX_COMPARED:
            return [int(np.count_nonzero(self.codes == place)) for place in range(len(self.attributes))]
        counts = np.zeros(len(self.attributes), np.int64)
        for begin in range(0, len(self), _BLOCK):
            counts += np.bincount(self.codes[begin : begin + _BLOCK], minlength=len(self.attributes))
        return counts


def join_columns(parts: Sequence[Columns], names: Collection[str]) -> Columns:
    """Merge columns into one, oldest first, with the numbers of these names."""
    places: dict[RunAttributes, int] = {}
    codes = [
        part.per_run([places.setdefault(attributes, len(places)) for attributes in part.attributes], np.uint32)
        for part in parts
    ]
    seconds = _concatenate([part.seconds for part in parts], np.uint32)
    together = Columns(
        tuple(places),
        seconds,
        _concatenate([part.durations for part in parts], np.uint8),
        to_smallest_type(_concatenate(codes, np.uint8)),
        {name: _concatenate([part.numbers[name] for part in parts], np.uint8) for name in names},
    )
    in_order = bool(np.all(seconds[:-1] <= seconds[1:]))
    return together if in_order else together.select(np.argsort(seconds, kind="stable"))


def split_by_source(columns: Columns) -> Iterator[tuple[tuple[str, NetworkPath], Columns]]:
    """Yield the runs of each probe over each path, sorted by both; those of a single source are not copied."""
    sources = sorted({(run.probe, run.path) for run, _ in columns.counts()})
    if len(sources) == 1:
        yield sources[0], columns
        return
    for source in sources:
        yield source, columns.select(columns.where(partial(_is_from, source)))


def _is_from(source: tuple[str, NetworkPath], run: RunAttributes) -> bool:
    return (run.probe, run.path) == source


def to_smallest_type(values: Sequence[int] | NDArray[Any]) -> NDArray[Any]:
    """Return non-negative integers as an array of the smallest unsigned type that holds them."""
    highest = int(max(values)) if len(values) else 0
    return np.array(values, next(kind for kind in _UNSIGNED_TYPES if highest <= np.iinfo(kind).max))


def _concatenate(arrays: Sequence[NDArray[Any]], otherwise: Any) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.array([], otherwise)
