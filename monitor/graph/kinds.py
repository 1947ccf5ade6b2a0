"""The kinds of graph by name, and `render`, which draws any of them. Loads matplotlib only when it draws.

To add a kind, write a function that takes (canvas, series, window, context) in a module of its own and add a row to
`KINDS`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

from monitor.graph.data import LOADED, SPEED, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from monitor.columns import Columns
    from monitor.graph.data import Window
    from monitor.graph.terms import Terms
    from monitor.graph.theme import RenderOptions
    from monitor.model import Run


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of graph.

    `function` is "module:name" of the function that draws it, `shows` its description for help texts, `metrics` what it
    needs of the runs; sizes are in pixels.
    """

    function: str
    shows: str
    metrics: tuple[Metric, ...] = SPEED
    size: tuple[int, int] = (1200, 860)
    smallest: tuple[int, int] = (900, 700)

    def load(self) -> Callable[..., None]:
        """Import and return the function that draws this kind."""
        module, _, name = self.function.partition(":")
        draw: Callable[..., None] = getattr(import_module(module), name)
        return draw


DEFAULT = "throughput"
RATES = (Metric.DOWNLOAD, Metric.UPLOAD)
KINDS = {
    "throughput": Kind(
        "monitor.graph.picture:draw_throughput", "download, upload and latency over time", smallest=(600, 840)
    ),
    "latency": Kind(
        "monitor.graph.latency:draw_latency", "latency, idle and under load, with a grade", (Metric.LATENCY, *LOADED)
    ),
    "heatmap": Kind("monitor.graph.heatmap:draw_heatmap", "hour of the day by weekday", RATES),
    "distribution": Kind("monitor.graph.distribution:draw_distribution", "how often each speed was reached"),
    "availability": Kind("monitor.graph.availability:draw_availability", "failures and outages by day", ()),
    "servers": Kind("monitor.graph.servers:draw_servers", "by server and ISP"),
    "compare": Kind("monitor.graph.compare:draw_compare", "paths, probes and engines side by side"),
    "dashboard": Kind(
        "monitor.graph.dashboard:draw_dashboard",
        "a poster of the most useful ones",
        size=(1200, 1700),
        smallest=(1000, 1500),
    ),
}
ALIASES = {"line": DEFAULT}


def numbers(names: Iterable[str]) -> list[Metric]:
    """Return the metrics that the runs must carry to draw the kinds of these names."""
    return list(dict.fromkeys(metric for name in names for metric in KINDS[name].metrics))


def render(
    kind: str,
    runs: Columns | Iterable[Run],
    window: Window,
    terms: Terms,
    options: RenderOptions | None = None,
) -> bytes:
    """Return a graph as a file. Call `setup.prepare` first; the same runs and options give the same bytes.

    A figure contains reference cycles and takes about 5 MB: callers that draw many call `gc.collect()` after each.

    Raises:
        ValueError: the size is smaller than the kind's smallest.
    """
    from monitor.graph.paint import paint  # noqa: PLC0415  matplotlib
    from monitor.graph.theme import RenderOptions  # noqa: PLC0415  what belongs to it
    from monitor.graph.track import tracks  # noqa: PLC0415  numpy

    chosen, options = KINDS[ALIASES.get(kind, kind)], options or RenderOptions()
    draw, all_series = chosen.load(), tracks(runs, window, terms.plan)
    options = replace(options, size=options.size or chosen.size)
    return paint(lambda canvas: draw(canvas, all_series, window, terms), options, terms.title, chosen.smallest)
