"""The charts of the page: processor time and gzipped bytes of each kind and window, drawn as SVG and as PNG.

Draws from a database of 1,051,200 runs (ten years, one every five minutes), which it builds in a temporary folder, or
of as many as it is told. Times are processor times of this process, once everything is imported: reading the runs, and
drawing them. A child process that draws one chart for the daemon takes the imports besides.

    python benchmarks/web.py [RUNS [ROUNDS]]
"""

from __future__ import annotations

import gc
import gzip
import os
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import store

from monitor.graph import render
from monitor.graph.theme import RenderOptions
from monitor.localtime import Window
from monitor.model import Plan
from monitor.store.columnar import read_columns
from monitor.store.connection import open_reader
from monitor.store.read import RunFilter

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOWS = {"24 h": 1, "7 d": 7, "30 d": 30, "1 y": 365, "all": 3650}

CONTEXT = render.GraphContext(ZoneInfo("Europe/Berlin"), Plan(100_000_000, 20_000_000), "Internet speed at home")

COMPRESSION = 5


class Cost(NamedTuple):
    """Milliseconds of processor time, and what was made."""

    ms: float
    made: object


def cost(work: Callable[[], object], rounds: int) -> Cost:
    """Return the median cost of some work, whose first round only warms caches."""
    taken = []
    for _ in range(rounds + 1):
        gc.collect()
        began = time.process_time()
        made = work()
        taken.append(1000 * (time.process_time() - began))
    return Cost(statistics.median(taken[1:]), made)


def chart(url: str, kind: str, days: int, rounds: int) -> str:
    """Return the row of a kind and a window."""
    window = Window(store.END - timedelta(days=days), store.END)
    metrics = render.required_metrics([kind])

    def read() -> object:
        with open_reader(url) as connection:
            return read_columns(connection, RunFilter(window.since, window.until), metrics)

    reading = cost(read, rounds)
    size = render.KINDS[kind]
    svgs = [
        cost(lambda size=one: render.render_svg(kind, reading.made, window, CONTEXT, size, "c"), rounds)  # type: ignore[arg-type,misc]
        for one in (size.size, size.phone)
    ]
    png = cost(lambda: render.render(kind, reading.made, window, CONTEXT, RenderOptions()), 1)  # type: ignore[arg-type]
    sizes = [len(gzip.compress(str(svg.made).encode(), COMPRESSION)) / 1024 for svg in svgs]
    figures = f"{reading.ms:8.1f} {svgs[0].ms:8.1f} {sizes[0]:8.1f} {svgs[1].ms:8.1f} {sizes[1]:8.1f} {png.ms:8.1f}"
    return f"{figures} {len(reading.made):10,}"  # type: ignore[arg-type]


def main(runs: int, rounds: int) -> None:
    """Print a row for each kind and window."""
    render.prepare_matplotlib(os.environ, os.geteuid())
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.db"
        store.build(url, runs)
        print("processor time in ms, gzipped KiB; wide is the layout of a screen, phone that of 390 pixels")
        heads = ("read ms", "wide ms", "KiB", "phone ms", "KiB", "PNG ms")
        print(f"{'':22} {' '.join(f'{head:>8}' for head in heads)} {'runs':>10}")
        for kind in render.KINDS:
            for name, days in WINDOWS.items():
                print(f"{kind:15} {name:6} {chart(url, kind, days, rounds)}", flush=True)


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(*(arguments or [store.SIZES[-1]])[:1], *(arguments[1:] or [3])[:1])
