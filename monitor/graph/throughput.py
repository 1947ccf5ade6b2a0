"""The throughput graph: download, upload and latency over time, with every failure in view."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from monitor.analysis import plan, statistics
from monitor.analysis.statistics import count_series
from monitor.graph import theme
from monitor.graph.annotations import (
    CHANGE,
    changes_to_label,
    draw_changes,
    draw_mark_rows,
    has_crowded_marks,
    make_mark_rows,
    place_labels,
)
from monitor.graph.axes import make_value_axis
from monitor.graph.header import draw_tiles, draw_title, tiles_height
from monitor.graph.labels import describe_doubts, describe_lines, describe_servers, describe_sources, describe_window
from monitor.graph.panel import Panel, draw_footer, draw_time_axis, make_frame
from monitor.output.units import format_long_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.analysis.metrics import Metric
    from monitor.analysis.plan import PlanLine
    from monitor.analysis.series import RunSeries
    from monitor.graph.annotations import MarkRow
    from monitor.graph.canvas import Canvas
    from monitor.graph.panel import Frame
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


def draw_throughput(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw header, rows of marks, panels, time axis and footer."""
    frame, labelled = make_frame(canvas, all_series, window, context.zone)
    changes = changes_to_label(all_series)
    labels, unlabelled = place_labels(changes, frame, lambda words: canvas.width_of(words, CHANGE))
    rows = make_mark_rows(all_series)
    counts, sources = count_series(all_series)
    facts = (describe_window(window, context.zone), describe_sources(sources, all_series), (describe_servers(sources),))
    tiles_top = draw_title(canvas, context.title, facts) + theme.LINE_HEIGHT
    labels_top = tiles_top + tiles_height(canvas) + theme.MARK_ROW_HEIGHT
    rows_top = labels_top + theme.MARK_ROW_HEIGHT * (max((label.row + 1 for label in labels), default=0))
    foot = draw_footer(
        canvas, (*reading_notes(frame, all_series, rows), describe_doubts(counts), _unlabelled_note(unlabelled))
    )
    panels_top = rows_top + theme.MARK_ROWS_TITLE_HEIGHT + theme.MARK_ROW_HEIGHT * len(rows)
    panels = make_panels(
        all_series, plan_lines_by_metric(all_series, window, context), panels_top, foot - theme.AXIS_LABELS_HEIGHT
    )
    bottom = panels[-1].top + panels[-1].height
    draw_tiles(canvas, panels, all_series, counts, tiles_top)
    draw_changes(canvas, frame, changes, labels, (labels_top, bottom))
    draw_mark_rows(canvas, frame, rows, rows_top)
    for panel in panels:
        panel.draw(canvas, frame, all_series)
    draw_time_axis(canvas, frame, labelled, bottom)


def plan_lines_by_metric(
    all_series: Sequence[RunSeries], window: Window, context: GraphContext
) -> dict[Metric, tuple[PlanLine, ...]]:
    """Return the plan lines of download, upload and latency."""
    return {metric: plan.plan_lines(all_series, metric, context.plan, window.span[0]) for metric in theme.PANEL_SHARES}


def make_panels(
    all_series: Sequence[RunSeries], lines_by_metric: Mapping[Metric, tuple[PlanLine, ...]], top: float, bottom: float
) -> tuple[Panel, ...]:
    """Return the panels of download, upload and latency, one below the other."""
    room = bottom - top - theme.PANEL_TITLE_HEIGHT * len(theme.PANEL_SHARES)
    panels = []
    for metric, share in theme.PANEL_SHARES.items():
        top += theme.PANEL_TITLE_HEIGHT
        height = room * share / sum(theme.PANEL_SHARES.values())
        axis = make_value_axis(
            metric, statistics.measured_values(all_series, metric), plan.highest_promise(lines_by_metric[metric])
        )
        panels.append(Panel(metric, axis, top, height, lines_by_metric[metric]))
        top += height
    return tuple(panels)


def reading_notes(frame: Frame, all_series: Sequence[RunSeries], rows: Sequence[MarkRow] = ()) -> tuple[str, ...]:
    """Return the notes on how to read lines, shading and marks."""
    min_span = frame.least_band(all_series)
    doubtful = any(run.doubtful for series in all_series for run, _ in series.runs.counts())
    return (
        describe_lines(frame.bucket),
        "Shaded: from a failed test to the next success"
        + (f", {_seconds_text(min_span)} and more." if min_span else "."),
        "Marks: the higher, the more tests at that time." if has_crowded_marks(frame, rows) else "",
        "Blank: no test ran.",
        "◇ a doubtful result." if doubtful else "",
    )


def _seconds_text(seconds: float) -> str:
    return format_long_duration(timedelta(seconds=round(seconds)))


def _unlabelled_note(unlabelled: int) -> str:
    return f"Changes without room for a label: {unlabelled}." if unlabelled else ""
