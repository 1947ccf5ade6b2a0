"""Draw runs as braille plots for `graph --terminal`. The only importer of uniplot, which draws the curves.

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
# What uniplot puts around its curves: a border left and right, and the numbers of the y axis.
LEFT, RIGHT = 1, 10
TICK_COLUMNS = 12
# A character of braille has two columns of dots; busy hours stay in view with a few buckets a dot.
BUCKETS = 2 * 4
NOT_A_NUMBER = math.nan


def plots(runs: Columns | Iterable[Run], window: Window, terms: Terms, columns: int = 80) -> Iterator[str]:
    """Yield download, upload and latency over time, `columns` wide: dashes at the plan, x where a test failed."""
    found = tracks(runs, window, terms.plan)
    width = max(columns, LEAST_WIDTH) - LEFT - 1 - RIGHT
    yield f"{terms.title}: {words.BETWEEN.join(words.window_words(window, terms.zone))}"
    counted = stats.tally(found)
    yield f"{counted.runs:,} {words.runs_words(counted)}: {words.success_words(counted)}"
    for metric in SPEED:
        yield from _plot(found, metric, window, terms.plan, width)
    yield _failures(found, window, width)
    yield from _axis(window, terms, width)
    if any(track.marks for track in found):
        yield f"{FAILED}: a test failed"
    if len(found) > 1:
        names = ", ".join(words.track_name(track, found) for track in found)
        yield f"A line each, which nothing tells apart here: {names}; --probe and --path choose one"
    if doubt := words.doubt_words(counted):
        yield doubt


def _plot(found: Sequence[Track], metric: Metric, window: Window, plan: Plan, width: int) -> Iterator[str]:
    start, end = window.span
    values = stats.values(found, metric)
    promises = promise.promises(found, metric, plan, start)
    axis, sold = scale(metric, values, promise.highest(promises)), promise.newest(promises)
    yield _heading(metric, spread_of(values), sold, axis)
    if not len(values):
        yield "  no result"
        return
    bucket = bucket_width(len(values), end - start, BUCKETS * width)
    yield from _draw([_curve(track, metric, axis.divisor, bucket) for track in found], window, axis, sold, width)


def _draw(curves: Sequence[Curve], window: Window, axis: Scale, sold: float | None, width: int) -> Iterator[str]:
    text = plot_to_string(
        xs=[times for times, _ in curves],
        ys=[values for _, values in curves],
        x_min=window.span[0],
        x_max=window.span[1],
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


def _curve(track: Track, metric: Metric, divisor: float, bucket: int | None) -> Curve:
    """Return a curve that is not a number between its segments, so that gaps stay gaps.

    Crowded runs become medians of buckets.
    """
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
