"""Braille plots for `graph --terminal`. The only importer of uniplot, which draws the curves.

Pure: runs, window and width in, lines of text out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from uniplot import plot_to_string

from monitor.graph import promise, stats, words
from monitor.graph.data import SPEED, Metric
from monitor.graph.envelope import bucket_width, envelope
from monitor.graph.scale import scale
from monitor.graph.ticks import ticks
from monitor.graph.track import tracks
from monitor.spread import spread_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.columns import Columns
    from monitor.graph.data import Window
    from monitor.graph.scale import Scale
    from monitor.graph.terms import Terms
    from monitor.graph.track import Track
    from monitor.model import Plan, Run
    from monitor.spread import Spread

    Curve = tuple[list[float], list[float]]

FAILED, NOTHING = "x", " "
HEIGHT = 7
LEAST_WIDTH = 40
# Columns that uniplot adds: a border at the left, a border and the numbers of the y axis at the right.
LEFT, RIGHT = 1, 10
TICK_COLUMNS = 12
# A braille character has two columns of dots; four buckets per dot keep short dips visible.
BUCKETS = 2 * 4
NOT_A_NUMBER = math.nan


def plots(runs: Columns | Iterable[Run], window: Window, context: Terms, columns: int = 80) -> Iterator[str]:
    """Yield plots of download, upload and latency, `columns` wide: dashes at the plan, x at failed tests."""
    all_series = tracks(runs, window, context.plan)
    width = max(columns, LEAST_WIDTH) - LEFT - 1 - RIGHT
    yield f"{context.title}: {words.BETWEEN.join(words.window_words(window, context.zone))}"
    counts = stats.tally(all_series)
    yield f"{counts.runs:,} {words.runs_words(counts)}: {words.success_words(counts)}"
    for metric in SPEED:
        yield from _plot(all_series, metric, window, context.plan, width)
    yield _failures(all_series, window, width)
    yield from _axis(window, context, width)
    if any(series.marks for series in all_series):
        yield f"{FAILED}: a test failed"
    if len(all_series) > 1:
        names = ", ".join(words.track_name(series, all_series) for series in all_series)
        yield f"One line each, not distinguishable here: {names}; choose one with --probe or --path"
    if doubt := words.doubt_words(counts):
        yield doubt


def _plot(all_series: Sequence[Track], metric: Metric, window: Window, plan: Plan, width: int) -> Iterator[str]:
    start, end = window.span
    values = stats.values(all_series, metric)
    promises = promise.promises(all_series, metric, plan, start)
    axis, promised = scale(metric, values, promise.highest(promises)), promise.newest(promises)
    yield _heading(metric, spread_of(values), promised, axis)
    if not len(values):
        yield "  no result"
        return
    bucket = bucket_width(len(values), end - start, BUCKETS * width)
    yield from _draw(
        [_curve(series, metric, axis.divisor, bucket) for series in all_series], window, axis, promised, width
    )


def _draw(curves: Sequence[Curve], window: Window, axis: Scale, promised: float | None, width: int) -> Iterator[str]:
    text = plot_to_string(
        xs=[times for times, _ in curves],
        ys=[values for _, values in curves],
        x_min=window.span[0],
        x_max=window.span[1],
        y_min=0,
        y_max=axis.top / axis.divisor,
        y_gridlines=[promised / axis.divisor] if promised else [],
        x_gridlines=[],
        x_labels=False,
        lines=True,
        character_set="braille",
        color=False,
        width=width,
        height=HEIGHT,
    )
    yield from (line.rstrip() for line in text.splitlines())


def _heading(metric: Metric, spread: Spread | None, promised: float | None, axis: Scale) -> str:
    middle = f", median {words.number(spread.median / axis.divisor)}" if spread else ""
    plan = f", plan {words.round_number(promised / axis.divisor)} (the horizontal line)" if promised else ""
    return f"{words.NAMES[metric]}, {axis.unit}{middle}{plan}"


def _curve(series: Track, metric: Metric, divisor: float, bucket: int | None) -> Curve:
    """Return a curve with NaN between its segments, so that gaps stay gaps.

    Crowded runs are replaced by the medians of buckets.
    """
    times: list[float] = []
    values: list[float] = []
    for segment in series.line(metric).segments(bucket or 0):
        thinned = envelope(segment, bucket) if bucket else None
        times_of_part, middle = (thinned.times, thinned.middle) if thinned else (segment.times, segment.values)
        times += [*times_of_part.tolist(), float(times_of_part[-1])]
        values += [*(middle / divisor).tolist(), NOT_A_NUMBER]
    return times, values


def _column(at: float, window: Window, width: int) -> int:
    start, end = window.span
    return min(int((at - start) / (end - start) * width), width - 1)


def _failures(all_series: Sequence[Track], window: Window, width: int) -> str:
    marks = {
        _column(at, window, width) for series in all_series for times in series.marks.values() for at in times.tolist()
    }
    return " " * LEFT + "".join(FAILED if at in marks else NOTHING for at in range(width)).rstrip()


def _axis(window: Window, context: Terms, width: int) -> Iterator[str]:
    large, _ = ticks(window, context.zone, max(width // TICK_COLUMNS, 1))
    strokes, names, free = [NOTHING] * width, [NOTHING] * (width + RIGHT), 0
    for tick in large:
        at = _column(tick.at, window, width)
        strokes[at] = "╵"
        if at >= free and at + len(tick.label) <= len(names):
            names[at : at + len(tick.label)] = tick.label
            free = at + len(tick.label) + 1
    yield " " * LEFT + "".join(strokes).rstrip()
    yield " " * LEFT + "".join(names).rstrip()
