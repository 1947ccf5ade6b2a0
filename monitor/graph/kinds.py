"""The kinds of graph by name, and the one way to draw any of them. Loads matplotlib only when something is drawn.

A kind is a module with `draw_kind(sheet, tracks, window, terms)`; adding one adds its file and a row of the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from monitor.graph.data import LOADED, SPEED, Metric

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.columns import Columns
    from monitor.graph.data import Window
    from monitor.graph.forms import Form
    from monitor.graph.terms import Terms
    from monitor.model import Run


@dataclass(frozen=True, slots=True)
class Kind:
    """Where a kind is drawn, what it shows, of which numbers, and its usual and its smallest size in pixels."""

    module: str
    shows: str
    numbers: tuple[Metric, ...] = SPEED
    size: tuple[int, int] = (1200, 860)
    smallest: tuple[int, int] = (900, 700)


DEFAULT = "throughput"
RATES = (Metric.DOWNLOAD, Metric.UPLOAD)
KINDS = {
    "throughput": Kind("picture", "download, upload and latency over time", smallest=(600, 840)),
    "latency": Kind("latency", "latency, idle and under load, with a grade", (Metric.LATENCY, *LOADED)),
    "heatmap": Kind("heatmap", "hour of the day by weekday", RATES),
    "distribution": Kind("distribution", "how often which speed"),
    "availability": Kind("availability", "failures and outages by day", ()),
    "servers": Kind("servers", "by server and ISP"),
    "compare": Kind("compare", "paths, probes and engines side by side"),
    "dashboard": Kind("dashboard", "a poster of the most telling ones", size=(1200, 1700), smallest=(1000, 1500)),
}
ALIASES = {"line": DEFAULT}


def numbers(names: Iterable[str]) -> list[Metric]:
    """Return the numbers that the runs need for kinds of these names."""
    return list(dict.fromkeys(metric for name in names for metric in KINDS[name].numbers))


def render(  # noqa: PLR0913  all but the first four have defaults and are given by name
    kind: str,
    runs: Columns | Iterable[Run],
    window: Window,
    terms: Terms,
    *,
    size: tuple[int, int] | None = None,
    scale: float = 1.0,
    theme: str = "light",
    form: Form = "png",
) -> bytes:
    """Return the file of a graph. Call `setup.prepare` first; the same runs give the same bytes.

    Raises:
        ValueError: the size is smaller than the kind's smallest.
    """
    from monitor.graph.paint import Look, paint  # noqa: PLC0415  matplotlib
    from monitor.graph.theme import THEMES  # noqa: PLC0415  what belongs to it
    from monitor.graph.track import tracks  # noqa: PLC0415  numpy

    chosen = KINDS[ALIASES.get(kind, kind)]
    module, found = import_module(f"monitor.graph.{chosen.module}"), tracks(runs, window, terms.plan)
    look = Look(size or chosen.size, scale, THEMES[theme], form)
    return paint(lambda sheet: module.draw_kind(sheet, found, window, terms), look, terms.title, chosen.smallest)
