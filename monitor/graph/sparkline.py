"""Sparklines for `history --sparkline`. Pure: runs, window and width in, lines of text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.graph import words
from monitor.graph.data import SPEED
from monitor.graph.track import inside
from monitor.graph.units import rate_unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from monitor.columns import Columns
    from monitor.graph.data import Metric, Window
    from monitor.model import Run

BLOCKS = "▁▂▃▄▅▆▇█"
FAILED, NOTHING = "x", " "


def sparklines(runs: Columns | Iterable[Run], window: Window, columns: int = 60) -> Iterator[str]:
    """Yield one line each for download, upload and latency: a block for the median of a slot, x if all tests failed."""
    columns_in_window = inside(runs, window)
    slot = _slots(columns_in_window, window, columns)
    for metric in SPEED:
        tried = np.bincount(slot[columns_in_window.where(lambda run: run.trusted or run.broken)], minlength=columns)
        yield _sparkline(
            metric, _medians(slot[columns_in_window.good(metric)], columns_in_window.measured(metric)), tried
        )


def _slots(runs: Columns, window: Window, columns: int) -> NDArray[np.intp]:
    start, end = window.span
    place: NDArray[np.intp] = ((runs.seconds - start) / (end - start) * columns).astype(np.intp)
    return np.minimum(place, columns - 1)


def _medians(slot: NDArray[np.intp], values: NDArray[np.float64]) -> dict[int, float]:
    """Return the median of each slot that has values; slots ascend."""
    slots, starts = np.unique(slot, return_index=True)
    parts = np.split(values, starts[1:]) if len(slots) else []
    return {int(place): float(np.median(part)) for place, part in zip(slots, parts, strict=True)}


def _sparkline(metric: Metric, medians: dict[int, float], tried: Sequence[int] | NDArray[np.intp]) -> str:
    highest = max(medians.values(), default=0.0)
    divisor, unit = rate_unit(highest) if metric.is_rate else (1.0, "ms")
    blocks = (
        _block(medians[at], highest) if at in medians else FAILED if count else NOTHING
        for at, count in enumerate(tried)
    )
    scaled = f"0 to {words.number(highest / divisor)} {unit}" if highest else "no result"
    return f"{words.NAMES[metric]:8}  {''.join(blocks)}  {scaled}"


def _block(value: float, highest: float) -> str:
    return BLOCKS[min(int(value / highest * len(BLOCKS)), len(BLOCKS) - 1)] if highest else BLOCKS[0]
