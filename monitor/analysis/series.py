"""The runs of one probe over one path, and what graphs show of them: lines, failures and changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analysis.availability import find_failure_spans, find_runs_after_pauses
from monitor.analysis.columns import NO_PLAN, Columns, split_by_source, to_smallest_type
from monitor.analysis.metrics import UNITS
from monitor.model import NetworkPath, Scope, Status, plan_name, server_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from monitor.analysis.availability import FailureSpans
    from monitor.analysis.columns import RunAttributes
    from monitor.analysis.metrics import Metric
    from monitor.localtime import Window
    from monitor.model import Plan, Run


# A server is new if none of so many results before used it.
RECENT_RESULTS = 50

# If one kind has more changes than this, names are left out.
MAX_NAMED_CHANGES = 1000


@dataclass(frozen=True)
class RunSeries:
    """All runs of one probe over one path, oldest first; derived data is computed on first use."""

    probe: str
    path: NetworkPath
    runs: Columns

    @cached_property
    def _pauses(self) -> NDArray[np.intp]:
        return find_runs_after_pauses(self.runs.seconds)

    @cached_property
    def bands(self) -> FailureSpans:
        """The spans of consecutive failures."""
        return find_failure_spans(self.runs, self._pauses)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """The changes of ISP, server and plan."""
        return tuple(find_changes(self.runs))

    @cached_property
    def marks(self) -> dict[Scope, NDArray[np.int64]]:
        """Start times of failed and interrupted runs by scope; only scopes that occur."""
        times_by_scope = {scope: self._when(scope) for scope in Scope}
        return {scope: times for scope, times in times_by_scope.items() if len(times)}

    def _when(self, scope: Scope) -> NDArray[np.int64]:
        return self._at(self.runs.where(lambda run: run.broken and run.blamed is scope))

    @cached_property
    def skipped(self) -> NDArray[np.int64]:
        """Start times of skipped runs."""
        return self._at(self.runs.where(lambda run: run.status is Status.SKIPPED))

    def _at(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        return self.runs.seconds[chosen].astype(np.int64)

    def line(self, metric: Metric) -> MetricLine:
        """Return the line of a metric; not cached, because it is large for a million runs."""
        return make_line(self.runs, self._pauses, metric)

    def doubtful(self, metric: Metric) -> list[tuple[float, float]]:
        """Return (time, value) of doubtful results."""
        chosen = np.flatnonzero(self.runs.where(lambda run: run.doubtful) & (self.runs.numbers[metric] != 0))
        only = self.runs.select(chosen)
        return list(zip(only.started.tolist(), only.values(metric).tolist(), strict=True))


def to_series(runs: Columns | Iterable[Run], window: Window, plan: Plan = NO_PLAN) -> tuple[RunSeries, ...]:
    """Return a series for each probe and path with runs in the window, sorted by probe, the namespace's path first.

    If no run was stored with a plan, all are compared with `plan`.
    """
    columns = _with_plan(runs_in_window(runs, window), plan)
    all_series = [RunSeries(*source, runs) for source, runs in split_by_source(columns)]
    return tuple(sorted(all_series, key=lambda series: (series.probe, series.path is not NetworkPath.IP4ONLY)))


def _with_plan(columns: Columns, plan: Plan) -> Columns:
    if any(run.plan != NO_PLAN for run, _ in columns.counts()):
        return columns
    planned = (replace(run, plan=plan) if run.plan == NO_PLAN else run for run in columns.attributes)
    return replace(columns, attributes=tuple(planned))


def runs_in_window(runs: Columns | Iterable[Run], window: Window) -> Columns:
    """Return the runs that started in a window, as columns."""
    columns = runs if isinstance(runs, Columns) else Columns.from_runs(runs)
    edges = np.clip(np.ceil(window.span), 0, np.iinfo(np.uint32).max).astype(np.uint32)
    begin, end = np.searchsorted(columns.seconds, edges)
    return columns if end - begin == len(columns) else columns.select(slice(begin, end))


@dataclass(frozen=True, slots=True)
class Segment:
    """One unbroken line: times in epoch seconds, and stored values, of which `unit` make one of the metric."""

    times: NDArray[Any]
    stored: NDArray[Any]
    unit: int = 1

    @property
    def values(self) -> NDArray[np.float64]:
        """The values in the unit of the metric."""
        return self.stored / self.unit


@dataclass(frozen=True, slots=True)
class MetricLine:
    """The results of a metric, oldest first; `starts` are the indexes at which a segment begins, 0 included.

    Values are integers, `unit` of which make one of the metric: floats would take three times the memory.
    """

    times: NDArray[Any]
    stored: NDArray[Any]
    starts: NDArray[np.intp]
    unit: int

    def __len__(self) -> int:
        return len(self.times)

    def above(self, top: float) -> list[tuple[float, float]]:
        """Return (time, value) of the results above `top`."""
        beyond = self.stored > top * self.unit
        return list(zip(self.times[beyond].tolist(), (self.stored[beyond] / self.unit).tolist(), strict=True))

    def segments(self, least_break: float = 0) -> Iterator[Segment]:
        """Yield the segments; breaks shorter than `least_break` seconds are ignored."""
        if not len(self):
            return
        candidates = self.starts[1:]
        breaks = candidates[self.times[candidates] - self.times[candidates - 1] >= least_break]
        edges = [0, *breaks, len(self)]
        for begin, end in pairwise(edges):
            yield Segment(self.times[begin:end], self.stored[begin:end], self.unit)


def make_line(columns: Columns, pauses: NDArray[np.intp], metric: Metric) -> MetricLine:
    """Return the line of a metric; `pauses` are the indexes of the runs that follow a pause.

    A failed or interrupted run, a run without that number, or a pause ends a segment. Skipped runs and doubtful results
    do not; they are left out.
    """
    good = columns.good(metric)
    starts = _segment_starts(columns, pauses, good)
    return MetricLine(columns.seconds[good], columns.stored(metric), starts, UNITS[metric])


def _segment_starts(columns: Columns, pauses: NDArray[np.intp], good: NDArray[np.bool_]) -> NDArray[np.intp]:
    ignored = columns.where(lambda run: run.status is Status.SKIPPED or run.doubtful or run.excluded)
    breaks = ~good & ~ignored
    breaks[pauses] = True
    segment = np.cumsum(breaks, dtype=np.int32)[good]
    return np.append(0, np.flatnonzero(segment[1:] != segment[:-1]) + 1)


class ChangeKind(StrEnum):
    """What changed between two successful runs."""

    ISP = "ISP"
    SERVER = "server"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of ISP, server or plan; `others`: earlier servers are still in use as well."""

    at: float
    event: ChangeKind
    before: str
    after: str
    others: bool = False

    @property
    def text(self) -> str:
        """The text of its label."""
        return f"{self.event} {'now also' if self.others else 'now'} {self.after}"


def find_changes(columns: Columns) -> Iterator[Change]:
    """Yield the changes, kind by kind, each oldest first; results without a name are ignored.

    Rotation among known servers is not a change; those of the first results that are used again soon belong to the
    rotation.
    """
    trusted = columns.where(lambda run: run.trusted)
    isp, server = _NameSequence(columns, trusted, lambda run: run.isp), _NameSequence(columns, trusted, _server_of)
    plan = _NameSequence(columns, np.ones(len(columns), bool), _plan_of)
    yield from isp.changes(ChangeKind.ISP, isp.others_than_before())
    yield from server.changes(ChangeKind.SERVER, server.new())
    yield from plan.changes(ChangeKind.PLAN, plan.others_than_before())


def _server_of(run: RunAttributes) -> str:
    return server_name(run.server)


def _plan_of(run: RunAttributes) -> str:
    return "" if run.plan == NO_PLAN else plan_name(run.plan)


class _NameSequence:
    """The names in results, oldest first, encoded as numbers."""

    def __init__(self, columns: Columns, chosen: NDArray[Any], name_of: Callable[[RunAttributes], str | None]) -> None:
        names = [name_of(run) for run in columns.attributes]
        self._names = ["", *dict.fromkeys(name for name in names if name)]
        numbers = {name: number for number, name in enumerate(self._names)}
        # A single name, the usual case, never changes.
        if not self._names[2:]:
            chosen = np.array([], np.intp)
        number = columns.per_run([numbers[name or ""] for name in names], to_smallest_type([len(numbers)]).dtype)[
            chosen
        ]
        self._times, self._numbers = columns.seconds[chosen][number != 0], number[number != 0]

    def others_than_before(self) -> NDArray[np.intp]:
        """Return the indexes of results with another name than the one before."""
        return np.flatnonzero(self._numbers[1:] != self._numbers[:-1]) + 1

    def new(self) -> NDArray[np.intp]:
        """Return the indexes of results whose name none of the `RECENT_RESULTS` results before has."""
        order = np.argsort(self._numbers, kind="stable")
        since = np.full(len(order), RECENT_RESULTS + 1)
        same = self._numbers[order][1:] == self._numbers[order][:-1]
        since[order[1:][same]] = np.diff(order)[same]
        candidates = np.flatnonzero(since > RECENT_RESULTS)
        return np.array([at for at in candidates if at >= RECENT_RESULTS or self._ends_a_spell(int(at))], np.intp)

    def _ends_a_spell(self, at: int) -> bool:
        """Return whether none of the first names is used again soon; if one is, they are a rotation."""
        before, after = self._numbers[:at], self._numbers[at : at + RECENT_RESULTS]
        return bool(len(before)) and not set(before.tolist()) & set(after.tolist())

    def changes(self, event: ChangeKind, places: NDArray[np.intp]) -> Iterator[Change]:
        """Yield the changes at these indexes; without names if there are more than anyone could read."""
        for at in places.tolist():
            names = self._around(at) if len(places) <= MAX_NAMED_CHANGES else ("", "", False)
            yield Change(float(self._times[at]), event, *names)

    def _around(self, at: int) -> tuple[str, str, bool]:
        this, later = self._numbers[at], self._numbers[at : at + RECENT_RESULTS]
        others = set(self._numbers[max(0, at - RECENT_RESULTS) : at].tolist()) & set(later.tolist())
        return self._names[self._numbers[at - 1]], self._names[this], bool(others - {int(this)})
