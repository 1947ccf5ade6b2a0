"""What the plans in force promised for a metric over time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitor.columns import NO_PLAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from monitor.columns import Columns
    from monitor.graph.data import Metric
    from monitor.graph.track import Track
    from monitor.model import Plan


@dataclass(frozen=True, slots=True)
class Promise:
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


def sold(runs: Columns, metric: Metric) -> NDArray[np.float64]:
    """Return for each run the value that the plan in force promised, NaN for none."""
    return runs.per_run([metric.promised(run.plan) or np.nan for run in runs.attributes], np.float64)


def promises(all_series: Sequence[Track], metric: Metric, plan: Plan, start: float) -> tuple[Promise, ...]:
    """Return the plan lines of the series without duplicates; without any series that of `plan`."""
    lines = [_promise(series.runs, metric, start) for series in all_series] or [_of(metric.promised(plan), start)]
    return tuple(dict.fromkeys(lines))


def highest(lines: Sequence[Promise]) -> float | None:
    """Return the highest value ever promised; None for none."""
    return max(levels(lines), default=None)


def levels(lines: Sequence[Promise]) -> list[float]:
    """Return all promised values without duplicates, the newest of the first line last."""
    values = [value for line in reversed(lines) for _, value in line.steps if not np.isnan(value)]
    return list(reversed(dict.fromkeys(reversed(values))))


def newest(lines: Sequence[Promise]) -> float | None:
    """Return the newest value of the first line that has one."""
    return next((value for line in lines if (value := line.newest)), None)


def _of(value: float | None, start: float) -> Promise:
    return Promise(((start, np.nan if value is None else float(value)),))


def _promise(runs: Columns, metric: Metric, start: float) -> Promise:
    known = {metric.promised(run.plan) for run, _ in runs.counts() if run.plan != NO_PLAN}
    unjudged = any(run.trusted and run.plan == NO_PLAN for run, _ in runs.counts())
    if not known or (len(known) == 1 and not unjudged):
        return _of(next(iter(known), None), start)
    places = np.flatnonzero(runs.where(lambda run: run.plan != NO_PLAN))
    values = np.nan_to_num(sold(runs, metric)[places])
    steps = np.flatnonzero(np.diff(values, prepend=-1))
    times = runs.seconds[places[steps]].tolist()
    if not runs.where(lambda run: run.trusted)[: next(iter(places), 0)].any():
        times[:1] = [start]
    return Promise(tuple((at, value or np.nan) for at, value in zip(times, values[steps].tolist(), strict=True)))
