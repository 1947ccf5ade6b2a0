"""The rows above the panels: labels of changes, and one row of marks for each scope of failure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analysis.series import ChangeKind
from monitor.graph import theme
from monitor.graph.canvas import TextStyle
from monitor.graph.labels import series_name
from monitor.model import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from monitor.analysis.series import Change, RunSeries
    from monitor.graph.canvas import Canvas
    from monitor.graph.panel import Frame


# More changes than this are shown as marks in a row instead of labels.
MAX_LABELLED = 6

LABEL_ROWS = 2

NAME = TextStyle(theme.SMALL_SIZE, theme.INK, align="right")

COUNT = TextStyle(theme.SMALL_SIZE, theme.MUTED)

CHANGE = TextStyle(theme.SMALL_SIZE, theme.INK)

HEADING = TextStyle(theme.TEXT_SIZE, theme.INK, bold=True)

AFTER_TITLE = TextStyle(theme.TEXT_SIZE, theme.MUTED)

TITLE = "Failed tests"

NAME_PIXELS = 230

# Marks closer together than this share a stroke.
STROKE_PIXELS = 3

STROKE_HEIGHT, LEAST_HEIGHT = 0.7, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class MarkRow:
    """A row of marks, with its name on the left and the number of marks on the right."""

    name: str
    color: str
    times: NDArray[Any]


@dataclass(frozen=True, slots=True)
class ChangeLabel:
    """The text of a change, placed in a row (0 is the upper one) at a pixel."""

    at: float
    text: str
    row: int
    x: float


def make_mark_rows(all_series: Sequence[RunSeries]) -> tuple[MarkRow, ...]:
    """Return a row for each scope of failure that occurred, for skipped runs, and for changes too many for labels.

    Each series has rows of its own unless that makes more rows than there are scopes.
    """
    suffixes = [f" {series_name(series, all_series)}" if len(all_series) > 1 else "" for series in all_series]
    rows = [row for series, end in zip(all_series, suffixes, strict=True) for row in _failure_rows([series], end)]
    if len(rows) > len(Scope):
        rows = _failure_rows(all_series, "")
    crowded_rows = [
        MarkRow(f"{event} changed", theme.MUTED, np.array([change.at for change in changes]))
        for event in ChangeKind
        if len(changes := _changes_of_kind(all_series, event)) > MAX_LABELLED
    ]
    skipped = _concatenate([series.skipped for series in all_series])
    return (
        *(rows or (MarkRow("none" if all_series else "", theme.MUTED, _concatenate([])),)),
        *((MarkRow("skipped", theme.MUTED, skipped),) if len(skipped) else ()),
        *crowded_rows,
    )


def _failure_rows(all_series: Sequence[RunSeries], suffix: str) -> list[MarkRow]:
    times_by_scope = {
        scope: _concatenate([series.marks[scope] for series in all_series if scope in series.marks]) for scope in Scope
    }
    return [
        MarkRow(scope + suffix, theme.SCOPE_COLORS[scope], times)
        for scope, times in times_by_scope.items()
        if len(times)
    ]


def _concatenate(times: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([np.array([]), *times])


def changes_to_label(all_series: Sequence[RunSeries]) -> tuple[Change, ...]:
    """Return the changes to label, oldest first: those of kinds that occur rarely enough."""
    few = [changes for event in ChangeKind if len(changes := _changes_of_kind(all_series, event)) <= MAX_LABELLED]
    return tuple(sorted((change for changes in few for change in changes), key=lambda change: change.at))


def _changes_of_kind(all_series: Sequence[RunSeries], event: ChangeKind) -> list[Change]:
    if len({series.probe for series in all_series}) > 1:
        # Each probe has a plan of its own, shown by its line.
        return (
            []
            if event is ChangeKind.PLAN
            else [_with_probe_name(change, series) for series, change in _series_changes(all_series, event)]
        )
    # A change that both paths of a probe show is one change.
    ordered = sorted((change for _, change in _series_changes(all_series, event)), key=lambda change: change.at)
    return (
        [next(equal) for _, equal in groupby(ordered, key=lambda change: change.after)]
        if len(all_series) > 1
        else ordered
    )


def _series_changes(all_series: Sequence[RunSeries], event: ChangeKind) -> list[tuple[RunSeries, Change]]:
    return [(series, change) for series in all_series for change in series.changes if change.event is event]


def _with_probe_name(change: Change, series: RunSeries) -> Change:
    return replace(change, after=f"{change.after} at {series.probe}")


def place_labels(
    changes: Sequence[Change], frame: Frame, width_of: Callable[[str], float]
) -> tuple[tuple[ChangeLabel, ...], int]:
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
            if line + 5 + width <= frame.left + frame.width + theme.RIGHT_MARGIN - theme.MARGIN / 2
            else line - 5 - width
        )
        row = next((index for index, edge in enumerate(right_edges) if x >= edge), None)
        if row is None:
            continue
        right_edges[row] = x + width + 10
        placed.append(ChangeLabel(change.at, text, row, x))
    return tuple(placed), len(changes) - len(placed)


def draw_changes(
    canvas: Canvas, frame: Frame, changes: Sequence[Change], labels: Sequence[ChangeLabel], span: tuple[float, float]
) -> None:
    """Draw the labels below `span[0]` and for each change a dotted line down to `span[1]`."""
    top, bottom = span
    rows = {label.at: label.row for label in labels}
    starts = {frame.x(change.at): top + rows.get(change.at, 1) * theme.MARK_ROW_HEIGHT for change in changes}
    canvas.rules([((x, start), (x, bottom)) for x, start in starts.items()], theme.MUTED, ":")
    for label in labels:
        canvas.text((label.x, top + label.row * theme.MARK_ROW_HEIGHT + 11), label.text, CHANGE, room=NAME_PIXELS)


def draw_mark_rows(canvas: Canvas, frame: Frame, rows: Sequence[MarkRow], top: float) -> None:
    """Draw each row of marks with its name and number, below a heading."""
    canvas.text((frame.left, top + 11), TITLE, HEADING)
    canvas.text((frame.left + canvas.width_of(TITLE, HEADING) + 6, top + 11), "by cause", AFTER_TITLE)
    top += theme.MARK_ROWS_TITLE_HEIGHT
    area = frame.area(canvas, top, theme.MARK_ROW_HEIGHT * len(rows), (len(rows), 0))
    area.lines([[(frame.start, at + 0.5), (frame.end, at + 0.5)] for at in range(len(rows))], theme.GRID, 1, zorder=1)
    for index, row in enumerate(rows):
        area.lines(_to_strokes(frame, row.times, index + 0.85), row.color, 2, zorder=2)
        base = top + theme.MARK_ROW_HEIGHT * (index + 0.5) + 4
        canvas.text((frame.left - 8, base), row.name, NAME, room=frame.left - 12)
        if len(row.times):
            canvas.text((frame.left + frame.width + 6, base), f"{len(row.times):,}", COUNT)


def has_crowded_marks(frame: Frame, rows: Sequence[MarkRow]) -> bool:
    """Return whether any row has marks that share a stroke."""
    return any(len(row.times) > frame.width / STROKE_PIXELS for row in rows)


def _to_strokes(frame: Frame, times: NDArray[Any], base: float) -> list[list[tuple[float, float]]]:
    """Return a stroke for each time; if crowded, one for each position, whose height shows how many."""
    if len(times) <= frame.width / STROKE_PIXELS:
        return [[(at, base), (at, base - STROKE_HEIGHT)] for at in times.tolist()]
    counts, edges = np.histogram(times, int(frame.width / STROKE_PIXELS), (frame.start, frame.end))
    heights = LEAST_HEIGHT + (STROKE_HEIGHT - LEAST_HEIGHT) * counts / counts.max()
    middles = (edges[:-1] + edges[1:]) / 2
    filled = np.flatnonzero(counts)
    return [[(middles[at], base), (middles[at], base - heights[at])] for at in filled]
