"""Draw runs as text: braille plots for `graph --terminal`, a line of blocks for `history --sparkline`.

The only importer of uniplot, which draws the curves. Pure: runs, window and width in, lines of text out.
"""

from __future__ import annotations

import math
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING

from monitor.graph import words
from monitor.graph.data import SPEED, Metric
from monitor.graph.ticks import ticks
from monitor.graph.units import rate_unit
from monitor.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.columns import Columns
    from monitor.graph.data import Window
    from monitor.graph.scale import Scale
    from monitor.graph.stats import Spread
    from monitor.graph.terms import Terms
    from monitor.graph.track import Track
    from monitor.model import Plan, Run

BLOCKS = "▁▂▃▄▅▆▇█"
FAILED, NOTHING = "x", " "
HEIGHT = 7
LEAST_WIDTH = 40
# What uniplot puts around its curves: a border left and right, and the numbers of the y axis.
LEFT, RIGHT = 1, 10
TICK_COLUMNS = 12
# A character of braille has two columns of dots; busy hours stay in view with a few buckets a dot.
BUCKETS = 2 * 4
NOT_A_NUMBER = math.nan


def plots(runs: Columns | Iterable[Run], window: Window, terms: Terms, columns: int = 80) -> Iterator[str]:
    """Yield download, upload and latency over time, `columns` wide: dashes at the plan, x where a test failed."""
    from monitor.graph import stats  # noqa: PLC0415  it brings numpy, only when somebody wants a plot
    from monitor.graph.track import tracks  # noqa: PLC0415  the same

    found = tracks(runs, window, terms.plan)
    width = max(columns, LEAST_WIDTH) - LEFT - 1 - RIGHT
    yield f"{terms.title}: {words.BETWEEN.join(words.window_words(window, terms.zone))}"
    counted = stats.tally(found)
    yield f"{counted.runs:,} {words.runs_words(counted)}: {words.success_words(counted)}"
    for metric in SPEED:
        yield from _plot(found, metric, window, terms.plan, width)
    yield _failures(found, window, width)
    yield from _axis(window, terms, width)
    if doubt := words.doubt_words(counted):
        yield doubt


def _plot(found: Sequence[Track], metric: Metric, window: Window, plan: Plan, width: int) -> Iterator[str]:
    from uniplot import plot_to_string  # noqa: PLC0415  it brings numpy, only when somebody wants a plot

    from monitor.graph import promise, stats  # noqa: PLC0415  the same
    from monitor.graph.envelope import bucket_width  # noqa: PLC0415  the same
    from monitor.graph.scale import scale  # noqa: PLC0415  the same

    start, end = window.span
    values = stats.values(found, metric)
    promises = promise.promises(found, metric, plan, start)
    axis, sold = scale(metric, values, promise.highest(promises)), promise.newest(promises)
    yield _heading(metric, stats.spread_of(values), sold, axis)
    if not len(values):
        yield "  no result"
        return
    bucket = bucket_width(len(values), end - start, BUCKETS * width)
    curves = [_curve(track, metric, axis.divisor, bucket) for track in found]
    text = plot_to_string(
        xs=[times for times, _ in curves],
        ys=[values for _, values in curves],
        x_min=start,
        x_max=end,
        y_min=0,
        y_max=axis.top / axis.divisor,
        y_gridlines=[sold / axis.divisor] if sold else [],
        x_gridlines=[],
        x_labels=False,
        lines=True,
        character_set="braille",
        color=False,
        width=width,
        height=HEIGHT,
    )
    yield from (line.rstrip() for line in text.splitlines())


def _heading(metric: Metric, spread: Spread | None, sold: float | None, axis: Scale) -> str:
    middle = f", median {words.number(spread.median / axis.divisor)}" if spread else ""
    promised = f", plan {words.round_number(sold / axis.divisor)} (the line across)" if sold else ""
    return f"{words.NAMES[metric]}, {axis.unit}{middle}{promised}"


def _curve(track: Track, metric: Metric, divisor: float, bucket: int | None) -> tuple[list[float], list[float]]:
    """Return a curve that is not a number between its segments, so that gaps stay gaps.

    Crowded runs become medians of buckets.
    """
    from monitor.graph.envelope import envelope  # noqa: PLC0415  numpy

    times: list[float] = []
    values: list[float] = []
    for segment in track.line(metric).segments(bucket or 0):
        thin = envelope(segment, bucket) if bucket else None
        at, middle = (thin.times, thin.middle) if thin else (segment.times, segment.values)
        times += [*at.tolist(), float(at[-1])]
        values += [*(middle / divisor).tolist(), NOT_A_NUMBER]
    return times, values


def _column(at: float, window: Window, width: int) -> int:
    start, end = window.span
    return min(int((at - start) / (end - start) * width), width - 1)


def _failures(found: Sequence[Track], window: Window, width: int) -> str:
    marks = {_column(at, window, width) for track in found for times in track.marks.values() for at in times.tolist()}
    return " " * LEFT + "".join(FAILED if at in marks else NOTHING for at in range(width)).rstrip()


def _axis(window: Window, terms: Terms, width: int) -> Iterator[str]:
    large, _ = ticks(window, terms.zone, max(width // TICK_COLUMNS, 1))
    strokes, names, free = [NOTHING] * width, [NOTHING] * (width + RIGHT), 0
    for tick in large:
        at = _column(tick.at, window, width)
        strokes[at] = "╵"
        if at >= free and at + len(tick.label) <= len(names):
            names[at : at + len(tick.label)] = tick.label
            free = at + len(tick.label) + 1
    yield " " * LEFT + "".join(strokes).rstrip()
    yield " " * LEFT + "".join(names).rstrip()


def sparklines(runs: Sequence[Run], window: Window, columns: int = 60) -> Iterator[str]:
    """Yield a line each for download, upload and latency: a block for the median of a slot, x where all failed."""
    for metric in SPEED:
        slots: list[list[float | None]] = [[] for _ in range(columns)]
        for run in runs:
            trusted = run.status is Status.OK and run.healthy is not False
            if trusted or run.status in {Status.FAILED, Status.INTERRUPTED}:
                value = getattr(run, metric) if trusted else None
                slots[_column(run.started_at.timestamp(), window, columns)].append(value)
        yield _sparkline(metric, slots)


def _sparkline(metric: Metric, slots: Sequence[Sequence[float | None]]) -> str:
    known = [[value for value in slot if value is not None] for slot in slots]
    highest = max(chain.from_iterable(known), default=0.0)
    divisor, unit = rate_unit(highest) if metric.is_rate else (1.0, "ms")
    blocks = (
        _block(median(good), highest) if good else FAILED if slot else NOTHING
        for slot, good in zip(slots, known, strict=True)
    )
    scaled = f"0 to {words.number(highest / divisor)} {unit}" if highest else "no result"
    return f"{words.NAMES[metric]:8}  {''.join(blocks)}  {scaled}"


def _block(value: float, highest: float) -> str:
    return BLOCKS[min(int(value / highest * len(BLOCKS)), len(BLOCKS) - 1)] if highest else BLOCKS[0]
