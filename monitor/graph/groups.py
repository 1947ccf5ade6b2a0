"""Runs side by side: by server and ISP, or by way of measuring. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from monitor.graph.data import SPEED, server_name
from monitor.spread import spread_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from monitor.columns import Columns, Sort
    from monitor.graph.data import Metric
    from monitor.spread import Spread


@dataclass(frozen=True)
class Group:
    """Runs of one name."""

    name: str
    runs: Columns

    @property
    def sort(self) -> Sort:
        """The sort of some of the runs."""
        return next(sort for sort, _ in self.runs.counts())

    @cached_property
    def measured(self) -> int:
        """How many have trusted results."""
        return self._count(lambda sort: sort.trusted)

    @cached_property
    def failed(self) -> int:
        """How many failed or were interrupted."""
        return self._count(lambda sort: sort.broken)

    @cached_property
    def doubtful(self) -> int:
        """How many have results that count in no number."""
        return self._count(lambda sort: sort.doubtful)

    def _count(self, test: Callable[[Sort], bool]) -> int:
        return sum(count for sort, count in self.runs.counts() if test(sort))

    def values(self, metric: Metric) -> NDArray[np.float64]:
        """Return the trusted values of a metric, in its unit."""
        return self.runs.measured(metric)

    @cached_property
    def spreads(self) -> dict[Metric, Spread | None]:
        """The percentiles of each metric of speed; None for one that was never measured."""
        return {metric: spread_of(self.values(metric)) for metric in SPEED}


def by_server(sort: Sort) -> str | None:
    """Return server and ISP of measured runs; None where neither is known."""
    parts = [part for part in (server_name(sort.server), sort.isp) if part]
    return " over ".join(parts) or None


def ways(sorts: Sequence[Sort]) -> Callable[[Sort], str]:
    """Return how to name the way a run was measured: by what there are several of, else by its path."""
    several = [len({getattr(sort, part) for sort in sorts}) > 1 for part in ("probe", "path", "engine")]
    probe, path, engine = several if any(several) else (False, True, False)

    def name(sort: Sort) -> str:
        shown = (sort.probe if probe else "", sort.path.value if path else "", sort.engine if engine else "")
        return " ".join(filter(None, shown))

    return name


def groups(runs: Columns, name_of: Callable[[Sort], str | None]) -> list[Group]:
    """Return the groups, the one with the most results first; runs without a name are in none."""
    names = [name_of(sort) for sort in runs.sorts]
    occur = {name_of(sort) for sort, _ in runs.counts()}
    found = [
        Group(name, runs.only(np.flatnonzero(runs.told([each == name for each in names], bool))))
        for name in occur
        if name
    ]
    return sorted(found, key=lambda group: (-group.measured, group.name))
