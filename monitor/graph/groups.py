"""Runs side by side: by server and ISP, or by way of measuring. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.graph.data import BROKEN, SPEED, is_doubtful, server_name, trusted
from monitor.graph.stats import spread_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from monitor.graph.data import Metric
    from monitor.graph.stats import Spread
    from monitor.model import Run


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one name: how many were measured, failed and doubtful, and the ascending values of each metric."""

    name: str
    runs: tuple[Run, ...]
    measured: int
    failed: int
    doubtful: int
    values: dict[Metric, list[float]]

    def spread(self, metric: Metric) -> Spread | None:
        """Return the percentiles of a metric; None when it was never measured."""
        return spread_of(self.values[metric])


def by_server(run: Run) -> str | None:
    """Return server and ISP of a measured run; None where neither is known."""
    parts = [part for part in (server_name(run.server), run.isp) if part]
    return " over ".join(parts) or None


def ways(runs: Iterable[Run]) -> Callable[[Run], str]:
    """Return how to name the way each run was measured: by path, and by probe and engine where there are several."""
    found = list(runs)
    several = [len({getattr(run, part) for run in found}) > 1 for part in ("probe", "engine")]

    def name(run: Run) -> str:
        shown = (run.probe if several[0] else "", run.path.value, run.engine if several[1] else "")
        return " ".join(filter(None, shown))

    return name


def groups(runs: Iterable[Run], name_of: Callable[[Run], str | None]) -> list[Group]:
    """Return the groups, the one with the most results first; runs without a name are in none."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        if name := name_of(run):
            found.setdefault(name, []).append(run)
    return sorted((_group(name, each) for name, each in found.items()), key=lambda group: (-group.measured, group.name))


def _group(name: str, runs: Sequence[Run]) -> Group:
    good = [run for run in runs if trusted(run)]
    return Group(
        name=name,
        runs=tuple(runs),
        measured=len(good),
        failed=sum(run.status in BROKEN for run in runs),
        doubtful=sum(map(is_doubtful, runs)),
        values={metric: sorted(v for run in good if (v := getattr(run, metric)) is not None) for metric in SPEED},
    )
