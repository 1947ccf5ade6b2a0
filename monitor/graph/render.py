"""`render()`: the kinds of graph by name, and the one way to draw any of them. Light: loads matplotlib when it draws.

The kinds of graph by name, and `render`, which draws any of them. Loads matplotlib only when it draws.

To add a kind, write a function that takes (canvas, series, window, context) in a module of its own and add a row to
`KINDS`.

Prepares matplotlib before its first import: a lasting directory for its font list, Agg, and no log on stderr.

Does not import matplotlib itself. Every program that draws calls `prepare` once.

What all parts of a graph need to know besides the runs and the window.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.analysis.metrics import LOADED_METRICS, RATE_METRICS, SPEED_METRICS, Metric
from monitor.config import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping
    from zoneinfo import ZoneInfo

    from monitor.analysis.columns import Columns
    from monitor.graph.theme import RenderOptions
    from monitor.localtime import Window
    from monitor.model import Plan, Run


DEFAULT_KIND = "throughput"


KIND_ALIASES = {"line": DEFAULT_KIND}


@dataclass(frozen=True, slots=True)
class GraphKind:
    """One kind of graph.

    `function` is "module:name" of the function that draws it, `shows` its description for help texts, `metrics` what it
    needs of the runs; sizes are in pixels.
    """

    function: str
    shows: str
    metrics: tuple[Metric, ...] = SPEED_METRICS
    size: tuple[int, int] = (1200, 860)
    smallest: tuple[int, int] = (900, 700)

    def load(self) -> Callable[..., None]:
        """Import and return the function that draws this kind."""
        module, _, name = self.function.partition(":")
        draw: Callable[..., None] = getattr(import_module(module), name)
        return draw


KINDS = {
    "throughput": GraphKind(
        "monitor.graph.throughput:draw_throughput", "download, upload and latency over time", smallest=(600, 840)
    ),
    "latency": GraphKind(
        "monitor.graph.latency:draw_latency",
        "latency, idle and under load, with a grade",
        (Metric.LATENCY, *LOADED_METRICS),
    ),
    "heatmap": GraphKind("monitor.graph.heatmap:draw_heatmap", "hour of the day by weekday", RATE_METRICS),
    "distribution": GraphKind("monitor.graph.distribution:draw_distribution", "how often each speed was reached"),
    "availability": GraphKind("monitor.graph.availability:draw_availability", "failures and outages by day", ()),
    "servers": GraphKind("monitor.graph.compare:draw_servers", "by server and ISP"),
    "compare": GraphKind("monitor.graph.compare:draw_compare", "paths, probes and engines side by side"),
    "dashboard": GraphKind(
        "monitor.graph.dashboard:draw_dashboard",
        "a poster of the most useful ones",
        size=(1200, 1700),
        smallest=(1000, 1500),
    ),
}


def required_metrics(names: Iterable[str]) -> list[Metric]:
    """Return the metrics that the runs must carry to draw the kinds of these names."""
    return list(dict.fromkeys(metric for name in names for metric in KINDS[name].metrics))


def render(
    kind: str,
    runs: Columns | Iterable[Run],
    window: Window,
    terms: GraphContext,
    options: RenderOptions | None = None,
) -> bytes:
    """Return a graph as a file. Call `setup.prepare` first; the same runs and options give the same bytes.

    A figure contains reference cycles and takes about 5 MB: callers that draw many call `gc.collect()` after each.

    Raises:
        ValueError: the size is smaller than the kind's smallest.
    """
    from monitor.analysis.series import to_series  # noqa: PLC0415  numpy
    from monitor.graph.canvas import render_canvas  # noqa: PLC0415  matplotlib
    from monitor.graph.theme import RenderOptions  # noqa: PLC0415  what belongs to it

    chosen, options = KINDS[KIND_ALIASES.get(kind, kind)], options or RenderOptions()
    draw, all_series = chosen.load(), to_series(runs, window, terms.plan)
    options = replace(options, size=options.size or chosen.size)
    return render_canvas(lambda canvas: draw(canvas, all_series, window, terms), options, terms.title, chosen.smallest)


def prepare_matplotlib(environ: MutableMapping[str, str], uid: int) -> None:
    """Set backend, threads and, if unset, MPLCONFIGDIR: a temporary directory if the cache cannot be used."""
    environ["MPLBACKEND"] = "agg"
    # NumPy's BLAS starts a thread for each core when it is loaded; nothing here multiplies matrices.
    environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not environ.get("MPLCONFIGDIR"):
        environ["MPLCONFIGDIR"] = str(_config_dir(environ, uid))
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _config_dir(environ: Mapping[str, str], uid: int) -> Path:
    folder = paths.cache_dir(environ, uid) / "matplotlib"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _temporary_dir()
    return folder if os.access(folder, os.W_OK) else _temporary_dir()


def _temporary_dir() -> Path:
    folder = tempfile.mkdtemp(prefix="speedmon-matplotlib-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@dataclass(frozen=True, slots=True)
class GraphContext:
    """The zone of all times, the title, and the plan to compare with if no run was stored with one."""

    zone: ZoneInfo
    plan: Plan
    title: str
