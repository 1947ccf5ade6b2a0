"""What stands above the panels of a graph over time: labels of changes, and a row of marks for each scope of failure.

Where marks would overlap, one stroke stands for several and its height for their number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analysis.series import ChangeKind
from monitor.graph import theme
from monitor.graph.labels import series_name
from monitor.model import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from monitor.analysis.series import Change, RunSeries
    from monitor.graph.canvas import Canvas
    from monitor.graph.panel import Frame


HEADING = "Failed tests"

# More changes than this are shown as marks in a row instead of labels.
MAX_LABELLED = 6
LABEL_ROWS, MAX_LABEL_WIDTH = 2, 230

# Marks closer together than this share a stroke.
STROKE_PIXELS = 3
# Of a stroke, as a share of its row: alone, and the least of those that share one.
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


@dataclass(frozen=True, slots=True)
class Annotations:
    """What stands between the header and the panels of a graph over time: changes and their labels, rows of marks."""

    frame: Frame
    changes: tuple[Change, ...]
    labels: tuple[ChangeLabel, ...]
    rows: tuple[MarkRow, ...]

    @property
    def unlabelled(self) -> int:
        """The number of changes that have no label for lack of room."""
        return len(self.changes) - len(self.labels)

    @property
    def crowded(self) -> bool:
        """Whether any row has marks that share a stroke."""
        return any(len(row.times) > self.frame.width / STROKE_PIXELS for row in self.rows)

    @property
    def height(self) -> int:
        """The height of labels and rows together."""
        return self._labels_height + theme.MARK_ROWS_TITLE_HEIGHT + theme.MARK_ROW_HEIGHT * len(self.rows)

    @property
    def _labels_height(self) -> int:
        return theme.MARK_ROW_HEIGHT * max((label.row + 1 for label in self.labels), default=0)

    def draw(self, canvas: Canvas, top: float, bottom: float) -> None:
        """Draw labels and rows below `top`, and for each change a dotted line down to `bottom`."""
        _draw_changes(canvas, self, (top, bottom))
        draw_mark_rows(canvas, self.frame, self.rows, top + self._labels_height)


def make_annotations(canvas: Canvas, frame: Frame, all_series: Sequence[RunSeries]) -> Annotations:
    """Return the annotations of a graph; the canvas only measures text."""
    changes = changes_to_label(all_series)
    labels = place_labels(changes, frame, lambda text: canvas.width_of(text, theme.SMALL_STYLE))
    return Annotations(frame, changes, labels, make_mark_rows(all_series))


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


def place_labels(changes: Sequence[Change], frame: Frame, width_of: Callable[[str], float]) -> tuple[ChangeLabel, ...]:
    """Return the labels that fit without overlapping.

    A label is to the right of its line, or to the left near the right edge.
    """
    right_edges = [frame.left] * LABEL_ROWS
    last_x = frame.left + frame.width + frame.right_margin - theme.MARGIN / 2
    placed = []
    for change in changes:
        text, line = change.text, frame.x(change.at)
        width = min(width_of(text), MAX_LABEL_WIDTH)
        x = line + 5 if line + 5 + width <= last_x else line - 5 - width
        row = next((index for index, edge in enumerate(right_edges) if x >= edge), None)
        if row is not None:
            right_edges[row] = x + width + 10
            placed.append(ChangeLabel(change.at, text, row, x))
    return tuple(placed)


def _draw_changes(canvas: Canvas, annotations: Annotations, span: tuple[float, float]) -> None:
    top, bottom = span
    frame, labels = annotations.frame, annotations.labels
    rows = {label.at: label.row for label in labels}
    starts = {
        frame.x(change.at): top + rows.get(change.at, 1) * theme.MARK_ROW_HEIGHT for change in annotations.changes
    }
    canvas.rules([((x, start), (x, bottom)) for x, start in starts.items()], theme.MUTED, ":")
    for label in labels:
        base = top + label.row * theme.MARK_ROW_HEIGHT + 11
        canvas.text((label.x, base), label.text, theme.SMALL_STYLE, room=MAX_LABEL_WIDTH)


def draw_mark_rows(canvas: Canvas, frame: Frame, rows: Sequence[MarkRow], top: float) -> None:
    """Draw each row of marks with its name and number, below a heading."""
    canvas.heading((frame.left, top + 11), HEADING, "by cause")
    top += theme.MARK_ROWS_TITLE_HEIGHT
    area = frame.area(canvas, top, theme.MARK_ROW_HEIGHT * len(rows), (len(rows), 0))
    area.lines([[(frame.start, at + 0.5), (frame.end, at + 0.5)] for at in range(len(rows))], theme.GRID, 1, zorder=1)
    for index, row in enumerate(rows):
        area.lines(_to_strokes(frame, row.times, index + 0.85), row.color, 2, zorder=2)
        base = top + theme.MARK_ROW_HEIGHT * (index + 0.5) + 4
        canvas.text((frame.left - 8, base), row.name, theme.ROW_NAME_STYLE, room=frame.left - 12)
        if len(row.times):
            canvas.text((frame.left + frame.width + 6, base), f"{len(row.times):,}", theme.NOTE_STYLE)


def _to_strokes(frame: Frame, times: NDArray[Any], base: float) -> list[list[tuple[float, float]]]:
    """Return a stroke for each time; if crowded, one for each position, whose height shows how many."""
    if len(times) <= frame.width / STROKE_PIXELS:
        return [[(at, base), (at, base - STROKE_HEIGHT)] for at in times.tolist()]
    counts, edges = np.histogram(times, int(frame.width / STROKE_PIXELS), (frame.start, frame.end))
    heights = LEAST_HEIGHT + (STROKE_HEIGHT - LEAST_HEIGHT) * counts / counts.max()
    middles = (edges[:-1] + edges[1:]) / 2
    filled = np.flatnonzero(counts)
    return [[(middles[at], base), (middles[at], base - heights[at])] for at in filled]
