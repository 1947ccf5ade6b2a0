"""The graphs servers and compare: groups of runs side by side, by server and ISP or by what differs between them.

Each group is a row: for each metric a bar from the 5th to the 95th percentile with a mark at the median. Below the
bars, servers shows the distributions of the speeds, and compare the speeds over time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from monitor.analysis.columns import join_columns
from monitor.analysis.metrics import RATE_METRICS, SPEED_METRICS, Metric
from monitor.analysis.plan import highest_promise, newest_promise, promised_levels
from monitor.analysis.series import to_series
from monitor.analysis.statistics import compute_spread, count_series, measured_values
from monitor.graph import labels, theme
from monitor.graph.axes import make_value_axis
from monitor.graph.canvas import Box
from monitor.graph.distribution import draw_curves
from monitor.graph.header import draw_footer, draw_title
from monitor.graph.panel import (
    LEGEND_ROW,
    MAX_LINES,
    Panel,
    draw_legend,
    draw_panels,
    make_frame,
    reading_notes,
    stack_panels,
)
from monitor.graph.readings import add_readings
from monitor.graph.theme import TextStyle
from monitor.graph.throughput import plan_lines_by_metric
from monitor.model import NetworkPath, server_name
from monitor.output import units

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from monitor.analysis.columns import Columns, RunAttributes
    from monitor.analysis.plan import PlanLine
    from monitor.analysis.series import RunSeries
    from monitor.analysis.statistics import Spread
    from monitor.graph.axes import ValueAxis
    from monitor.graph.canvas import Canvas, Corners
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


MAX_GROUPS = 12

# Of the height between title and footer, that of the bars.
COMPARE_BARS_SHARE, SERVER_BARS_SHARE = 0.42, 0.6
HEADING_HEIGHT, AXIS_HEIGHT, MAX_ROW_HEIGHT = 26, 26, 64
# The name of a group stands above its bars.
NAME_HEIGHT = 19
# Between the metrics, and right of a bar for its median.
GAP, VALUE_WIDTH = 36, 52
PHONE_GAP, PHONE_VALUE_WIDTH = 8, 44
# From the left edge of a panel to its legend.
LEGEND_INDENT, PHONE_LEGEND_INDENT = 170, 120

NO_RESULT_STYLE = TextStyle(theme.TEXT_SIZE + 4, theme.MUTED, align="center")

BARS_NOTES = ("Bar: 5th to 95th percentile; mark and number: median.", "Dashed: the plan.")
CURVES_NOTE = "Curves: the percentage of tests at or below each speed."


def draw_servers(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw a row for each server and ISP, most used first, and the distributions of the first four."""
    counts, sources = count_series(all_series)
    runs = join_columns([series.runs for series in all_series], SPEED_METRICS)
    group_list = group_runs(runs, server_and_isp)
    facts = labels.describe_data(all_series, sources, window, context.zone)
    top = draw_title(canvas, f"{context.title}: by server and ISP", facts) + theme.LINE_HEIGHT
    notes = (
        *BARS_NOTES,
        CURVES_NOTE,
        _omitted_groups_note(len(group_list)),
        _nameless_runs_note(len(runs) - sum(len(group.runs) for group in group_list)),
        labels.describe_doubts(counts),
    )
    foot = draw_footer(canvas, notes)
    if not group_list:
        _write_no_result(canvas, (top + foot) / 2)
        return
    plan_lines = plan_lines_by_metric(all_series, window, context)
    box = Box(canvas.margin, top, canvas.width - 2 * canvas.margin, (foot - top) * SERVER_BARS_SHARE)
    bars_end = draw_bars(canvas, box, group_list, plan_lines) + 24
    _draw_curves(canvas, box._replace(top=bars_end, height=foot - bars_end), group_list[:MAX_LINES], plan_lines)


def _draw_curves(
    canvas: Canvas, box: Box, group_list: Sequence[Group], plan_lines: Mapping[Metric, Sequence[PlanLine]]
) -> None:
    phone = canvas.is_phone
    width, height = (box.width, box.height / 2) if phone else (box.width / 2, box.height)
    # The legend is below the axis numbers, where no plan line crosses it.
    legend_height = 8 + LEGEND_ROW * len(group_list)
    for index, metric in enumerate(RATE_METRICS):
        left, top = (box.left, box.top + index * height) if phone else (box.left + index * width, box.top)
        place = Box(left + 46, top + 12, width - 70, height - 12 - legend_height)
        curves = [group.values(metric) for group in group_list]
        draw_curves(canvas, place, metric, curves, promised_levels(plan_lines[metric]))
        names = [group.name for group in group_list]
        draw_legend(canvas, (place.left, place.bottom + LEGEND_ROW), metric, names, room=place.width)


def _omitted_groups_note(count: int) -> str:
    return f"The {MAX_GROUPS} with the most results of {count:,}." if count > MAX_GROUPS else ""


def _nameless_runs_note(count: int) -> str:
    return f"{count:,} runs ended before a server was known." if count else ""


def draw_compare(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw a row of bars for each group, and below them download and upload of the first four over time."""
    counts, sources = count_series(all_series)
    runs = join_columns([series.runs for series in all_series], SPEED_METRICS)
    group_list = group_runs(runs, make_namer([attributes for attributes, _ in runs.counts()]))
    # The namespace comes first: the others are compared with it.
    ordered = sorted(group_list, key=lambda group: group.attributes.path is not NetworkPath.IP4ONLY)
    facts = labels.describe_data(all_series, sources, window, context.zone)
    top = draw_title(canvas, f"{context.title}: side by side", facts) + theme.LINE_HEIGHT
    lines = [series for group in ordered[:MAX_LINES] for series in to_series(group.runs, window)]
    frame = make_frame(canvas, lines, window, context.zone)
    notes = (
        *BARS_NOTES,
        *reading_notes(frame, lines),
        _compare_with_first(ordered),
        f"Lines: the {MAX_LINES} with the most results." if len(ordered) > MAX_LINES else "",
        labels.describe_doubts(counts),
    )
    foot = draw_footer(canvas, notes)
    if not ordered:
        _write_no_result(canvas, (top + foot) / 2)
        return
    plan_lines = plan_lines_by_metric(all_series, window, context)
    box = Box(
        canvas.margin,
        top,
        canvas.width - 2 * canvas.margin,
        (foot - top) * COMPARE_BARS_SHARE,
    )
    bars_end = draw_bars(canvas, box, ordered, plan_lines) + 4
    panels = _make_panels(lines, plan_lines, bars_end, foot - theme.AXIS_LABELS_HEIGHT)
    draw_panels(canvas, frame, panels, lines)
    add_readings(canvas, frame, panels, lines, [group.name for group in ordered[:MAX_LINES]])
    for panel in panels:
        names = [group.name for group in ordered[:MAX_LINES]]
        draw_legend(
            canvas,
            (frame.left + (PHONE_LEGEND_INDENT if canvas.is_phone else LEGEND_INDENT), panel.top - 9),
            panel.metric,
            names,
        )


def _make_panels(
    lines: Sequence[RunSeries], plan_lines: Mapping[Metric, tuple[PlanLine, ...]], top: float, bottom: float
) -> list[Panel]:
    panels = []
    for metric, place in stack_panels(dict.fromkeys(RATE_METRICS, 1.0), top, bottom).items():
        axis = make_value_axis(metric, measured_values(lines, metric), highest_promise(plan_lines[metric]))
        panels.append(Panel(metric, axis, *place, plan_lines[metric]))
    return panels


def _compare_with_first(ordered: Sequence[Group]) -> str:
    """Return the median download of each other group as a percentage of that of the first."""
    medians = [(group.name, spread.median) for group in ordered if (spread := group.spreads[Metric.DOWNLOAD])]
    first, reference = medians[0] if medians else ("", 0.0)
    if not medians[1:] or not reference:
        return ""
    shares = ", ".join(f"{name} {100 * median / reference:.0f} %" for name, median in medians[1:MAX_LINES])
    return f"Median download compared with {first}: {shares}."


def _write_no_result(canvas: Canvas, y: float) -> None:
    canvas.text((canvas.width / 2, y), labels.NO_RESULT, NO_RESULT_STYLE)


def draw_bars(
    canvas: Canvas, box: Box, group_list: Sequence[Group], plan_lines: Mapping[Metric, Sequence[PlanLine]]
) -> float:
    """Draw the first `MAX_GROUPS` groups into a box, at most as high as it; return the y at which they end."""
    shown = group_list[:MAX_GROUPS]
    row = min((box.height - HEADING_HEIGHT - AXIS_HEIGHT) / len(shown), MAX_ROW_HEIGHT)
    rows_top = box.top + HEADING_HEIGHT
    gap, value_width = (PHONE_GAP, PHONE_VALUE_WIDTH) if canvas.is_phone else (GAP, VALUE_WIDTH)
    width = (box.width - gap * (len(SPEED_METRICS) - 1)) / len(SPEED_METRICS)
    for index, metric in enumerate(SPEED_METRICS):
        place = Box(box.left + index * (width + gap), rows_top, width - value_width, row * len(shown))
        _draw_metric(canvas, place, metric, shown, newest_promise(plan_lines[metric]))
    for index, group in enumerate(shown):
        _write_group_name(canvas, box, group, rows_top + row * index + 15)
    return rows_top + row * len(shown) + AXIS_HEIGHT


def _write_group_name(canvas: Canvas, box: Box, group: Group, y: float) -> None:
    count = _count_text(group)
    room = box.width - canvas.width_of(count, theme.NOTE_STYLE) - 30
    canvas.text((box.left, y), group.name, theme.HEADING_STYLE, room=room)
    x = box.left + min(canvas.width_of(group.name, theme.HEADING_STYLE), room) + 10
    canvas.text((x, y), count, theme.NOTE_STYLE)


def _count_text(group: Group) -> str:
    parts = [units.format_count(group.measured, "result")]
    parts += [f"{group.failed:,} failed"] if group.failed else []
    parts += [f"{group.doubtful:,} doubtful left out"] if group.doubtful else []
    return ", ".join(parts)


def _draw_metric(canvas: Canvas, place: Box, metric: Metric, shown: Sequence[Group], promised: float | None) -> None:
    spreads = [group.spreads[metric] for group in shown]
    axis = make_value_axis(metric, np.array([spread.p95 for spread in spreads if spread]), promised)
    canvas.heading((place.left, place.top - 9), labels.METRIC_NAMES[metric], axis.unit)
    row = place.height / len(shown)
    spans = [(place.top + row * index + NAME_HEIGHT, place.top + row * (index + 1)) for index in range(len(shown))]
    _draw_axis(canvas, place, axis, spans)
    _draw_spreads(canvas, place, metric, axis, spreads)
    if promised:
        x = place.left + place.width * promised / axis.top
        canvas.rules([((x, top), (x, bottom)) for top, bottom in spans], theme.PLAN, "--")


def _draw_axis(canvas: Canvas, place: Box, axis: ValueAxis, spans: Sequence[tuple[float, float]]) -> None:
    xs = [(tick, place.left + place.width * tick / axis.top) for tick in axis.ticks]
    canvas.rules([((x, top), (x, bottom)) for _, x in xs for top, bottom in spans], theme.GRID)
    canvas.rules([((place.left, place.bottom), (place.right, place.bottom))], theme.AXIS)
    for tick, x in xs[:: 2 if canvas.is_phone else 1]:
        canvas.text((x, place.bottom + 15), units.format_trimmed(tick / axis.divisor), theme.TICK_STYLE)


def _draw_spreads(
    canvas: Canvas, place: Box, metric: Metric, axis: ValueAxis, spreads: Sequence[Spread | None]
) -> None:
    area = canvas.area(place, (0, axis.top), (len(spreads), 0))
    row = place.height / len(spreads)
    # The name stands in the upper part of the row, so the bar lies below its middle.
    middle, half = (NAME_HEIGHT + (row - NAME_HEIGHT) / 2) / row, min(6.0, row / 6) / row
    color = theme.METRIC_COLORS[metric]
    for index, spread in enumerate(spreads):
        y = place.top + row * (index + middle) + 4
        if spread is None:
            canvas.text((place.left, y), labels.NO_RESULT, theme.NOTE_STYLE)
            continue
        top, bottom = index + middle - half, index + middle + half
        corners: Corners = (spread.p5, top, min(spread.p95, axis.top), bottom)
        area.rectangles([corners], color, edge=1, alpha=0.35, zorder=2)
        area.lines([[(spread.median, top - half / 2), (spread.median, bottom + half / 2)]], color, 3, zorder=3)
        canvas.text((place.right + 6, y), units.format_number(spread.median / axis.divisor), theme.SMALL_STYLE)


@dataclass(frozen=True)
class Group:
    """Runs that share a name."""

    name: str
    runs: Columns

    @property
    def attributes(self) -> RunAttributes:
        """The attributes of one of the runs."""
        return next(attributes for attributes, _ in self.runs.counts())

    @cached_property
    def measured(self) -> int:
        """The number of trusted results."""
        return self._count(lambda attributes: attributes.trusted)

    @cached_property
    def failed(self) -> int:
        """The number of failed runs that count in shares."""
        return self._count(lambda attributes: attributes.lost)

    @cached_property
    def doubtful(self) -> int:
        """The number of doubtful results, which are left out of all statistics."""
        return self._count(lambda attributes: attributes.doubtful)

    def _count(self, test: Callable[[RunAttributes], bool]) -> int:
        return sum(count for attributes, count in self.runs.counts() if test(attributes))

    def values(self, metric: Metric) -> NDArray[np.float64]:
        """Return the trusted values of a metric, in its unit."""
        return self.runs.measured(metric)

    @cached_property
    def spreads(self) -> dict[Metric, Spread | None]:
        """The percentiles of download, upload and latency; None for one that was never measured."""
        return {metric: compute_spread(self.values(metric)) for metric in SPEED_METRICS}


def server_and_isp(attributes: RunAttributes) -> str | None:
    """Return "SERVER over ISP"; None if neither is known."""
    parts = [part for part in (server_name(attributes.server), attributes.isp) if part]
    return " over ".join(parts) or None


def make_namer(attributes_list: Sequence[RunAttributes]) -> Callable[[RunAttributes], str]:
    """Return a function that names runs by whichever of probe, path and engine differ; by path if none does."""
    varying = [
        len({getattr(attributes, part) for attributes in attributes_list}) > 1 for part in ("probe", "path", "engine")
    ]
    probe, path, engine = varying if any(varying) else (False, True, False)

    def name(attributes: RunAttributes) -> str:
        shown = (
            attributes.probe if probe else "",
            attributes.path.value if path else "",
            attributes.engine if engine else "",
        )
        return " ".join(filter(None, shown))

    return name


def group_runs(runs: Columns, name_of: Callable[[RunAttributes], str | None]) -> list[Group]:
    """Return the groups, most results first; runs without a name are left out."""
    names = [name_of(attributes) for attributes in runs.attributes]
    present = {name_of(attributes) for attributes, _ in runs.counts()}
    group_list = [
        Group(name, runs.select(np.flatnonzero(runs.per_run([group_name == name for group_name in names], bool))))
        for name in present
        if name
    ]
    return sorted(group_list, key=lambda group: (-group.measured, group.name))
