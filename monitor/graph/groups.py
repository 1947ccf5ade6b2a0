"""Groups runs by server and ISP, or by what differs between them: probe, path or engine. Pure."""

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
    """Runs that share a name."""

    name: str
    runs: Columns

    @property
    def attributes(self) -> Sort:
        """The attributes of one of the runs."""
        return next(attributes for attributes, _ in self.runs.counts())

    @cached_property
    def measured(self) -> int:
        """The number of trusted results."""
        return self._count(lambda attributes: attributes.trusted)

    @cached_property
    def failed(self) -> int:
        """The number of failed or interrupted runs."""
        return self._count(lambda attributes: attributes.broken)

    @cached_property
    def doubtful(self) -> int:
        """The number of doubtful results, which are left out of all statistics."""
        return self._count(lambda attributes: attributes.doubtful)

    def _count(self, test: Callable[[Sort], bool]) -> int:
        return sum(count for attributes, count in self.runs.counts() if test(attributes))

    def values(self, metric: Metric) -> NDArray[np.float64]:
        """Return the trusted values of a metric, in its unit."""
        return self.runs.measured(metric)

    @cached_property
    def spreads(self) -> dict[Metric, Spread | None]:
        """The percentiles of download, upload and latency; None for one that was never measured."""
        return {metric: spread_of(self.values(metric)) for metric in SPEED}


def by_server(attributes: Sort) -> str | None:
    """Return "SERVER over ISP"; None if neither is known."""
    parts = [part for part in (server_name(attributes.server), attributes.isp) if part]
    return " over ".join(parts) or None


def ways(attributes_list: Sequence[Sort]) -> Callable[[Sort], str]:
    """Return a function that names runs by whichever of probe, path and engine differ; by path if none does."""
    varying = [
        len({getattr(attributes, part) for attributes in attributes_list}) > 1 for part in ("probe", "path", "engine")
    ]
    probe, path, engine = varying if any(varying) else (False, True, False)

    def name(attributes: Sort) -> str:
        shown = (
            attributes.probe if probe else "",
            attributes.path.value if path else "",
            attributes.engine if engine else "",
        )
        return " ".join(filter(None, shown))

    return name


def groups(runs: Columns, name_of: Callable[[Sort], str | None]) -> list[Group]:
    """Return the groups, most results first; runs without a name are left out."""
    names = [name_of(attributes) for attributes in runs.attributes]
    present = {name_of(attributes) for attributes, _ in runs.counts()}
    group_list = [
        Group(name, runs.select(np.flatnonzero(runs.per_run([group_name == name for group_name in names], bool))))
        for name in present
        if name
    ]
    return sorted(group_list, key=lambda group: (-group.measured, group.name))
