"""The throughput graph: download, upload and latency over time, with every failure in view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.analysis import plan, statistics
from monitor.analysis.metrics import Metric
from monitor.graph import labels, theme
from monitor.graph.annotations import make_annotations
from monitor.graph.axes import make_value_axis
from monitor.graph.header import HeaderFigures, draw_footer, draw_tiles, draw_title, tiles_height
from monitor.graph.panel import Panel, draw_panels, make_frame, reading_notes, stack_panels
from monitor.graph.readings import add_readings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.analysis.plan import PlanLine
    from monitor.analysis.series import RunSeries
    from monitor.graph.annotations import Annotations
    from monitor.graph.canvas import Canvas
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


PANEL_SHARES = {Metric.DOWNLOAD: 1.25, Metric.UPLOAD: 1.0, Metric.LATENCY: 1.0}


def draw_throughput(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw header, changes, rows of marks, panels, time axis and footer."""
    counts, sources = statistics.count_series(all_series)
    facts = (*labels.describe_data(all_series, sources, window, context.zone), (labels.describe_servers(sources),))
    top = draw_title(canvas, context.title, facts) + theme.LINE_HEIGHT
    frame = make_frame(canvas, all_series, window, context.zone)
    annotations = make_annotations(canvas, frame, all_series)
    notes = (
        *reading_notes(frame, all_series, crowded_marks=annotations.crowded),
        labels.describe_doubts(counts),
        labels.describe_unlabelled(annotations.unlabelled),
    )
    foot = draw_footer(canvas, notes)
    plan_lines = plan_lines_by_metric(all_series, window, context)
    draw_tiles_and_panels(
        canvas, annotations, all_series, HeaderFigures(counts, context.met_pct), plan_lines, (top, foot)
    )


def draw_tiles_and_panels(
    canvas: Canvas,
    annotations: Annotations,
    all_series: Sequence[RunSeries],
    figures: HeaderFigures,
    plan_lines: Mapping[Metric, tuple[PlanLine, ...]],
    span: tuple[float, float],
) -> None:
    """Draw everything between title and footer into a span of heights: tiles, annotations, panels, time axis."""
    top, bottom = span[0], span[1] - theme.AXIS_LABELS_HEIGHT
    labels_top = top + tiles_height(canvas) + theme.MARK_ROW_HEIGHT
    panels = _make_panels(all_series, plan_lines, labels_top + annotations.height, bottom)
    draw_tiles(canvas, panels, all_series, figures, top)
    annotations.draw(canvas, labels_top, bottom)
    draw_panels(canvas, annotations.frame, panels, all_series)
    add_readings(canvas, annotations.frame, panels, all_series)


def plan_lines_by_metric(
    all_series: Sequence[RunSeries], window: Window, context: GraphContext
) -> dict[Metric, tuple[PlanLine, ...]]:
    """Return the plan lines of download, upload and latency."""
    return {metric: plan.plan_lines(all_series, metric, context.plan, window.span[0]) for metric in PANEL_SHARES}


def _make_panels(
    all_series: Sequence[RunSeries], plan_lines: Mapping[Metric, tuple[PlanLine, ...]], top: float, bottom: float
) -> list[Panel]:
    panels = []
    for metric, place in stack_panels(PANEL_SHARES, top, bottom).items():
        promised = plan.highest_promise(plan_lines[metric])
        axis = make_value_axis(metric, statistics.measured_values(all_series, metric), promised)
        panels.append(Panel(metric, axis, *place, plan_lines[metric]))
    return panels
