"""The rows above the panels: labels of changes, and one row of marks for each scope of failure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.graph import style
from monitor.graph.data import Event
from monitor.graph.sheet import Pen
from monitor.graph.words import track_name
from monitor.model import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from monitor.graph.data import Change
    from monitor.graph.panel import Frame
    from monitor.graph.sheet import Sheet
    from monitor.graph.track import Track

# More changes than this are shown as marks in a row instead of labels.
LABELLED_AT_MOST = 6
LABEL_ROWS = 2
NAME = Pen(style.SMALL_SIZE, style.INK, align="right")
COUNT = Pen(style.SMALL_SIZE, style.QUIET)
CHANGE = Pen(style.SMALL_SIZE, style.INK)
HEADING = Pen(style.TEXT_SIZE, style.INK, bold=True)
AFTER_TITLE = Pen(style.TEXT_SIZE, style.QUIET)
TITLE = "Failed tests"
NAME_PIXELS = 230
# Marks closer together than this share a stroke.
STROKE_PIXELS = 3
STROKE_HEIGHT, LEAST_HEIGHT = 0.7, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A row of marks, with its name on the left and the number of marks on the right."""

    name: str
    color: str
    times: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Label:
    """The text of a change, placed in a row (0 is the upper one) at a pixel."""

    at: float
    text: str
    row: int
    x: float


def mark_rows(all_series: Sequence[Track]) -> tuple[Row, ...]:
    """Return a row for each scope of failure that occurred, for skipped runs, and for changes too many for labels.

    Each series has rows of its own unless that makes more rows than there are scopes.
    """
    suffixes = [f" {track_name(series, all_series)}" if len(all_series) > 1 else "" for series in all_series]
    rows = [row for series, end in zip(all_series, suffixes, strict=True) for row in _failure_rows([series], end)]
    if len(rows) > len(Scope):
        rows = _failure_rows(all_series, "")
    crowded_rows = [
        Row(f"{event} changed", style.QUIET, np.array([change.at for change in changes]))
        for event in Event
        if len(changes := _changes(all_series, event)) > LABELLED_AT_MOST
    ]
    skipped = _together([series.skipped for series in all_series])
    return (
        *(rows or (Row("none" if all_series else "", style.QUIET, _together([])),)),
        *((Row("skipped", style.QUIET, skipped),) if len(skipped) else ()),
        *crowded_rows,
    )


def _failure_rows(all_series: Sequence[Track], suffix: str) -> list[Row]:
    times_by_scope = {
        scope: _together([series.marks[scope] for series in all_series if scope in series.marks]) for scope in Scope
    }
    return [Row(scope + suffix, style.SCOPES[scope], times) for scope, times in times_by_scope.items() if len(times)]


def _together(times: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([np.array([]), *times])


def labelled_changes(all_series: Sequence[Track]) -> tuple[Change, ...]:
    """Return the changes to label, oldest first: those of kinds that occur rarely enough."""
    few = [changes for event in Event if len(changes := _changes(all_series, event)) <= LABELLED_AT_MOST]
    return tuple(sorted((change for changes in few for change in changes), key=lambda change: change.at))


def _changes(all_series: Sequence[Track], event: Event) -> list[Change]:
    if len({series.probe for series in all_series}) > 1:
        # Each probe has a plan of its own, shown by its line.
        return [] if event is Event.PLAN else [_named(change, series) for series, change in _of(all_series, event)]
    # A change that both paths of a probe show is one change.
    ordered = sorted((change for _, change in _of(all_series, event)), key=lambda change: change.at)
    return (
        [next(equal) for _, equal in groupby(ordered, key=lambda change: change.after)]
        if len(all_series) > 1
        else ordered
    )


def _of(all_series: Sequence[Track], event: Event) -> list[tuple[Track, Change]]:
    return [(series, change) for series in all_series for change in series.changes if change.event is event]


def _named(change: Change, series: Track) -> Change:
    return replace(change, after=f"{change.after} at {series.probe}")


def place_labels(
    changes: Sequence[Change], frame: Frame, width_of: Callable[[str], float]
) -> tuple[tuple[Label, ...], int]:
    """Return the labels that fit without overlapping, and how many did not.

    A label is to the right of its line, or to the left near the right edge.
    """
    right_edges = [frame.left] * LABEL_ROWS
    placed = []
    for change in changes:
        text = change.text
        width = min(width_of(text), NAME_PIXELS)
        line = frame.x(change.at)
        x = (
            line + 5
            if line + 5 + width <= frame.left + frame.width + style.RIGHT - style.EDGE / 2
            else line - 5 - width
        )
        row = next((index for index, edge in enumerate(right_edges) if x >= edge), None)
        if row is None:
            continue
        right_edges[row] = x + width + 10
        placed.append(Label(change.at, text, row, x))
    return tuple(placed), len(changes) - len(placed)


def draw_changes(
    canvas: Sheet, frame: Frame, changes: Sequence[Change], labels: Sequence[Label], span: tuple[float, float]
) -> None:
    """Draw the labels below `span[0]` and for each change a dotted line down to `span[1]`."""
    top, bottom = span
    rows = {label.at: label.row for label in labels}
    starts = {frame.x(change.at): top + rows.get(change.at, 1) * style.ROW for change in changes}
    canvas.rules([((x, start), (x, bottom)) for x, start in starts.items()], style.QUIET, ":")
    for label in labels:
        canvas.text((label.x, top + label.row * style.ROW + 11), label.text, CHANGE, room=NAME_PIXELS)


def draw_rows(canvas: Sheet, frame: Frame, rows: Sequence[Row], top: float) -> None:
    """Draw each row of marks with its name and number, below a heading."""
    canvas.text((frame.left, top + 11), TITLE, HEADING)
    canvas.text((frame.left + canvas.width_of(TITLE, HEADING) + 6, top + 11), "by cause", AFTER_TITLE)
    top += style.ROWS_TITLE
    area = frame.area(canvas, top, style.ROW * len(rows), (len(rows), 0))
    area.lines([[(frame.start, at + 0.5), (frame.end, at + 0.5)] for at in range(len(rows))], style.GRID, 1, zorder=1)
    for index, row in enumerate(rows):
        area.lines(_strokes(frame, row.times, index + 0.85), row.color, 2, zorder=2)
        base = top + style.ROW * (index + 0.5) + 4
        canvas.text((frame.left - 8, base), row.name, NAME, room=frame.left - 12)
        if len(row.times):
            canvas.text((frame.left + frame.width + 6, base), f"{len(row.times):,}", COUNT)


def crowded(frame: Frame, rows: Sequence[Row]) -> bool:
    """Return whether any row has marks that share a stroke."""
    return any(len(row.times) > frame.width / STROKE_PIXELS for row in rows)


def _strokes(frame: Frame, times: NDArray[Any], base: float) -> list[list[tuple[float, float]]]:
    """Return a stroke for each time; if crowded, one for each position, whose height shows how many."""
    if len(times) <= frame.width / STROKE_PIXELS:
        return [[(at, base), (at, base - STROKE_HEIGHT)] for at in times.tolist()]
    counts, edges = np.histogram(times, int(frame.width / STROKE_PIXELS), (frame.start, frame.end))
    heights = LEAST_HEIGHT + (STROKE_HEIGHT - LEAST_HEIGHT) * counts / counts.max()
    middles = (edges[:-1] + edges[1:]) / 2
    filled = np.flatnonzero(counts)
    return [[(middles[at], base), (middles[at], base - heights[at])] for at in filled]
