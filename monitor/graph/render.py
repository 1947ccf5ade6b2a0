"""`render()`: the kinds of graph by name, and the one way to draw any of them. Light: loads matplotlib when it draws.

To add a kind, write a function that takes (canvas, all_series, window, context) in a module of its own and add a row to
`KINDS`. A program that draws calls `prepare_matplotlib` once before.
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

from monitor.analysis.metrics import LOADED_METRICS, PLAN_MET_PCT, RATE_METRICS, SPEED_METRICS, Metric
from monitor.config import paths
from monitor.graph.theme import DEFAULT_SIZE, MIN_SIZE, PHONE_SIZE, RenderOptions
from monitor.system import files
from monitor.system.ownership import owner_of_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping
    from zoneinfo import ZoneInfo

    from monitor.analysis.columns import Columns
    from monitor.localtime import Window
    from monitor.model import Plan, Run


@dataclass(frozen=True, slots=True)
class GraphContext:
    """The zone of all times, the plan to compare with if no run was stored with one, and the title.

    A test at or above `met_pct` percent of its plan met it.
    """

    zone: ZoneInfo
    plan: Plan
    title: str
    met_pct: float = PLAN_MET_PCT


@dataclass(frozen=True, slots=True)
class GraphKind:
    """One kind of graph.

    `function` is "module:name" of the function that draws it, in this package. `description` is for help texts,
    `metrics` are those that it needs of the runs, sizes are in pixels; `phone` is that of its SVG on a phone.
    """

    function: str
    description: str
    metrics: tuple[Metric, ...] = SPEED_METRICS
    size: tuple[int, int] = DEFAULT_SIZE
    smallest: tuple[int, int] = (900, 700)
    phone: tuple[int, int] = PHONE_SIZE

    def load(self) -> Callable[..., None]:
        """Import and return the function that draws this kind."""
        module, _, name = self.function.partition(":")
        draw: Callable[..., None] = getattr(import_module(f"monitor.graph.{module}"), name)
        return draw


DEFAULT_KIND = "throughput"

KINDS = {
    "throughput": GraphKind("throughput:draw_throughput", "download, upload and latency over time", smallest=MIN_SIZE),
    "latency": GraphKind(
        "latency:draw_latency",
        "latency, idle and under load, with a grade",
        (Metric.LATENCY, *LOADED_METRICS),
    ),
    "heatmap": GraphKind("heatmap:draw_heatmap", "hour of the day by weekday", RATE_METRICS),
    "distribution": GraphKind("distribution:draw_distribution", "how often each speed was reached"),
    "availability": GraphKind("availability:draw_availability", "failures and outages by day", ()),
    "servers": GraphKind("compare:draw_servers", "by server and ISP"),
    "compare": GraphKind("compare:draw_compare", "paths, probes and engines side by side"),
    "dashboard": GraphKind(
        "dashboard:draw_dashboard",
        "a poster of the most useful ones",
        size=(1200, 1700),
        smallest=(1000, 1500),
        phone=(390, 1900),
    ),
}

# Names that kinds had before.
KIND_ALIASES = {"line": DEFAULT_KIND}


def required_metrics(names: Iterable[str]) -> list[Metric]:
    """Return the metrics that the runs must carry to draw the kinds of these names."""
    return list(dict.fromkeys(metric for name in names for metric in KINDS[name].metrics))


def render(
    kind: str,
    runs: Columns | Iterable[Run],
    window: Window,
    context: GraphContext,
    options: RenderOptions | None = None,
) -> bytes:
    """Return a graph as a file; the same runs and options give the same bytes.

    A figure contains reference cycles and takes about 5 MB: callers that draw many call `gc.collect()` after each.

    Raises:
        ValueError: the size is smaller than the kind's smallest.
    """
    from monitor.analysis.series import to_series  # noqa: PLC0415  loads NumPy
    from monitor.graph.figure_canvas import render_canvas  # noqa: PLC0415  loads matplotlib

    graph, options = KINDS[KIND_ALIASES.get(kind, kind)], options or RenderOptions()
    size = options.size or graph.size
    if size[0] < graph.smallest[0] or size[1] < graph.smallest[1]:
        raise ValueError(f"a graph of {size} pixels is smaller than {graph.smallest}")
    draw, all_series = graph.load(), to_series(runs, window, context.plan)
    return render_canvas(
        lambda canvas: draw(canvas, all_series, window, context), replace(options, size=size), context.title
    )


def render_svg(
    kind: str, runs: Columns | Iterable[Run], window: Window, context: GraphContext, size: tuple[int, int], name: str
) -> str:
    """Return a graph as SVG with classes instead of colours, of which `name` begins every id; loads no matplotlib."""
    from monitor.analysis.series import to_series  # noqa: PLC0415  loads NumPy
    from monitor.graph.svg_canvas import SvgCanvas  # noqa: PLC0415  the same

    draw, canvas = KINDS[KIND_ALIASES.get(kind, kind)].load(), SvgCanvas(*size, name)
    draw(canvas, to_series(runs, window, context.plan), window, context)
    return canvas.file(context.title)


def prepare_matplotlib(environ: MutableMapping[str, str], uid: int) -> None:
    """Prepare the first import of matplotlib: Agg, one thread, no log on stderr, and a lasting place for its font list.

    Sets MPLBACKEND and, if unset, OPENBLAS_NUM_THREADS and MPLCONFIGDIR: a temporary directory if the cache cannot be
    used.
    """
    environ["MPLBACKEND"] = "agg"
    # NumPy's BLAS starts a thread for each core when it is loaded; nothing here multiplies matrices.
    environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not environ.get("MPLCONFIGDIR"):
        environ["MPLCONFIGDIR"] = str(_config_dir(environ, uid))
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _config_dir(environ: Mapping[str, str], uid: int) -> Path:
    """Return the folder of matplotlib's font list."""
    caches = [paths.cache_dir(environ, uid)]
    if home := environ.get("HOME"):
        caches.append(Path(home) / ".cache" / "speedmon")
    return next((folder for cache in caches if _is_usable(folder := cache / "matplotlib")), None) or _temporary_dir()


def _is_usable(folder: Path) -> bool:
    """Whether matplotlib can keep files in a folder, made where there is none; by root it would write as root."""
    try:
        if owner_of_file(folder / "fontlist"):
            return False
        files.make_folder(folder, 0o755)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _temporary_dir() -> Path:
    folder = tempfile.mkdtemp(prefix="speedmon-matplotlib-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
