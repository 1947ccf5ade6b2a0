"""The runs of one probe over one path, and what graphs show of them: lines, failures, changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from monitor.columns import NO_PLAN, Columns
from monitor.graph.bands import bands_of
from monitor.graph.line import line_of
from monitor.graph.pauses import after_pauses
from monitor.graph.turns import turns
from monitor.model import Path, Scope, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from monitor.graph.bands import Bands
    from monitor.graph.data import Change, Metric, Window
    from monitor.graph.line import Line
    from monitor.model import Plan, Run


@dataclass(frozen=True)
class Track:
    """All runs of one probe over one path, oldest first; derived data is computed on first use."""

    probe: str
    path: Path
    runs: Columns

    @cached_property
    def _pauses(self) -> NDArray[np.intp]:
        return after_pauses(self.runs.seconds)

    @cached_property
    def bands(self) -> Bands:
        """The spans of consecutive failures."""
        return bands_of(self.runs, self._pauses)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """The changes of ISP, server and plan."""
        return tuple(turns(self.runs))

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

    def line(self, metric: Metric) -> Line:
        """Return the line of a metric; not cached, because it is large for a million runs."""
        return line_of(self.runs, self._pauses, metric)

    def doubtful(self, metric: Metric) -> list[tuple[float, float]]:
        """Return (time, value) of doubtful results."""
        chosen = np.flatnonzero(self.runs.where(lambda run: run.doubtful) & (self.runs.numbers[metric] != 0))
        only = self.runs.select(chosen)
        return list(zip(only.started.tolist(), only.values(metric).tolist(), strict=True))


def tracks(runs: Columns | Iterable[Run], window: Window, plan: Plan = NO_PLAN) -> tuple[Track, ...]:
    """Return a series for each probe and path with runs in the window, sorted by probe, the namespace's path first.

    If no run was stored with a plan, all are compared with `plan`.
    """
    columns = _judged(inside(runs, window), plan)
    sources = {(run.probe, run.path) for run, _ in columns.counts()}
    order = sorted(sources, key=lambda source: (source[0], source[1] is not Path.IP4ONLY))
    if len(order) == 1:
        return (Track(*order[0], columns),)
    return tuple(Track(*source, _of(columns, source)) for source in order)


def _of(columns: Columns, source: tuple[str, Path]) -> Columns:
    return columns.select(columns.where(lambda run: (run.probe, run.path) == source))


def _judged(columns: Columns, plan: Plan) -> Columns:
    if any(run.plan != NO_PLAN for run, _ in columns.counts()):
        return columns
    sorts = (replace(run, plan=plan) if run.plan == NO_PLAN else run for run in columns.attributes)
    return replace(columns, attributes=tuple(sorts))


def inside(runs: Columns | Iterable[Run], window: Window) -> Columns:
    """Return the runs that started in a window, as columns."""
    columns = runs if isinstance(runs, Columns) else Columns.from_runs(runs)
    edges = np.clip(np.ceil(window.span), 0, np.iinfo(np.uint32).max).astype(np.uint32)
    begin, end = np.searchsorted(columns.seconds, edges)
    return columns if end - begin == len(columns) else columns.select(slice(begin, end))
