"""Kinds: servers and compare.

The compare graph: paths, probes or engines side by side.

One row per group: for each metric a bar from the 5th to the 95th percentile with a mark at the median.

The servers graph: for each server and ISP the percentiles, and the distribution of speeds.

Groups runs by server and ISP, or by what differs between them: probe, path or engine. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from monitor.analysis.columns import join_columns
from monitor.analysis.metrics import SPEED_METRICS, Metric
from monitor.analysis.plan import highest_promise, newest_promise, plan_lines, promised_levels
from monitor.analysis.series import to_series
from monitor.analysis.statistics import compute_spread, count_series, measured_values
from monitor.graph import labels, theme
from monitor.graph.axes import make_value_axis
from monitor.graph.canvas import Box, TextStyle
from monitor.graph.distribution import draw_curves
from monitor.graph.header import draw_title
from monitor.graph.panel import LEGEND_ROW, MAX_LINES, Panel, draw_footer, draw_legend, draw_time_axis, make_frame
from monitor.graph.throughput import reading_notes
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
    from monitor.graph.canvas import Canvas
    from monitor.graph.render import GraphContext
    from monitor.localtime import Window


COMPARE_BARS_SHARE = 0.42

HEADING = TextStyle(theme.TEXT_SIZE, theme.INK, bold=True)

UNIT = TextStyle(theme.TEXT_SIZE, theme.MUTED)

NAME = TextStyle(theme.TEXT_SIZE, theme.INK, bold=True)

COUNT = TextStyle(theme.SMALL_SIZE, theme.MUTED)

VALUE = TextStyle(theme.SMALL_SIZE, theme.INK)

TICK = TextStyle(theme.SMALL_SIZE, theme.MUTED, align="center")

PLAN = TextStyle(theme.SMALL_SIZE, theme.PLAN, align="right")

MAX_GROUPS, HEADING_HEIGHT, AXIS_HEIGHT, MAX_ROW_HEIGHT, GAP, VALUE_WIDTH = 12, 26, 26, 64, 36, 52

# The name of a group stands above its bars.
NAME_HEIGHT = 19

BARS_NOTES = ("Bar: 5th to 95th percentile; mark and number: median.", "Dashed: the plan.")

NO_RESULT = TextStyle(theme.TEXT_SIZE + 4, theme.MUTED, align="center")

SERVER_BARS_SHARE = 0.6

CURVES_NOTE = "Curves: the percentage of tests at or below each speed."


def draw_compare(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw a row of bars for each group, and below them download and upload of the first four over time."""
    runs = join_columns([series.runs for series in all_series], SPEED_METRICS)
    counts, sources = count_series(all_series)
    group_list = group_runs(runs, make_namer([sort for sort, _ in runs.counts()]))
    # The namespace comes first: the others are compared with it.
    ordered = sorted(group_list, key=lambda group: group.attributes.path is not NetworkPath.IP4ONLY)
    facts = (labels.describe_window(window, context.zone), labels.describe_sources(sources, all_series))
    top = draw_title(canvas, f"{context.title}: side by side", facts) + theme.LINE_HEIGHT
    lines = [series for group in ordered[:MAX_LINES] for series in to_series(group.runs, window)]
    frame, labelled = make_frame(canvas, lines, window, context.zone)
    omitted_note = f"Lines: the {MAX_LINES} with the most results." if len(ordered) > MAX_LINES else ""
    parts = (
        *BARS_NOTES,
        *reading_notes(frame, lines),
        _compare_with_first(ordered),
        omitted_note,
        labels.describe_doubts(counts),
    )
    foot = draw_footer(canvas, parts)
    if not ordered:
        canvas.text((canvas.width / 2, (top + foot) / 2), "no result", NO_RESULT)
        return
    lines_by_metric = {metric: plan_lines(all_series, metric, context.plan, window.span[0]) for metric in SPEED_METRICS}
    box = Box(theme.MARGIN, top, canvas.width - 2 * theme.MARGIN, (foot - top) * COMPARE_BARS_SHARE)
    top = (
        draw_bars(
            canvas, box, ordered, {metric: newest_promise(ordered) for metric, ordered in lines_by_metric.items()}
        )
        + 4
    )
    height = (foot - theme.AXIS_LABELS_HEIGHT - top) / 2 - theme.PANEL_TITLE_HEIGHT
    for index, metric in enumerate((Metric.DOWNLOAD, Metric.UPLOAD)):
        place = top + theme.PANEL_TITLE_HEIGHT + index * (height + theme.PANEL_TITLE_HEIGHT)
        axis = make_value_axis(metric, measured_values(lines, metric), highest_promise(lines_by_metric[metric]))
        Panel(metric, axis, place, height, lines_by_metric[metric]).draw(canvas, frame, lines)
        draw_legend(canvas, (frame.left + 170, place - 9), metric, [group.name for group in ordered[:MAX_LINES]])
    draw_time_axis(canvas, frame, labelled, top + 2 * (height + theme.PANEL_TITLE_HEIGHT))


def _compare_with_first(ordered: Sequence[Group]) -> str:
    """Return the median download of each other group as a percentage of that of the first."""
    medians = [(group.name, spread.median) for group in ordered if (spread := group.spreads[Metric.DOWNLOAD])]
    if len(medians) < 2 or not medians[0][1]:  # noqa: PLR2004  two to compare
        return ""
    (first, reference), *others = medians
    shares = ", ".join(f"{name} {100 * median / reference:.0f} %" for name, median in others[: MAX_LINES - 1])
    return f"Median download compared with {first}: {shares}."


def draw_bars(
    canvas: Canvas, box: Box, group_list: Sequence[Group], promised_by_metric: Mapping[Metric, float | None]
) -> float:
    """Draw the first `MOST` groups into a box, at most as high as it; return the y at which they end."""
    shown = group_list[:MAX_GROUPS]
    room = box.height - HEADING_HEIGHT - AXIS_HEIGHT
    row = min(room / max(len(shown), 1), MAX_ROW_HEIGHT)
    width = (box.width - GAP * (len(SPEED_METRICS) - 1)) / len(SPEED_METRICS)
    for index, metric in enumerate(SPEED_METRICS):
        place = Box(box.left + index * (width + GAP), box.top + HEADING_HEIGHT, width - VALUE_WIDTH, row * len(shown))
        _draw_metric(canvas, place, metric, shown, promised_by_metric[metric])
    for index, group in enumerate(shown):
        y = box.top + HEADING_HEIGHT + row * index + 15
        count = _count_text(group)
        canvas.text((box.left, y), group.name, NAME, room=box.width - canvas.width_of(count, COUNT) - 30)
        x = box.left + min(canvas.width_of(group.name, NAME), box.width - canvas.width_of(count, COUNT) - 30) + 10
        canvas.text((x, y), count, COUNT)
    return box.top + HEADING_HEIGHT + row * len(shown) + AXIS_HEIGHT


def _count_text(group: Group) -> str:
    parts = [f"{group.measured:,} result{'' if group.measured == 1 else 's'}"]
    parts += [f"{group.failed:,} failed"] if group.failed else []
    parts += [f"{group.doubtful:,} doubtful left out"] if group.doubtful else []
    return ", ".join(parts)


def _draw_metric(canvas: Canvas, place: Box, metric: Metric, shown: Sequence[Group], promised: float | None) -> None:
    spreads = [group.spreads[metric] for group in shown]
    axis = make_value_axis(metric, np.array([spread.p95 for spread in spreads if spread]), promised)
    name = labels.METRIC_NAMES[metric]
    canvas.text((place.left, place.top - 9), name, HEADING)
    canvas.text((place.left + canvas.width_of(name, HEADING) + 6, place.top - 9), axis.unit, UNIT)
    if not shown:
        return
    row = place.height / len(shown)
    area = canvas.area(place, (0, axis.top), (len(shown), 0))
    # The name stands in the upper part of the row, so the bar lies below its middle.
    middle, half = (NAME_HEIGHT + (row - NAME_HEIGHT) / 2) / row, min(6.0, row / 6) / row
    spans = [(place.top + row * index + NAME_HEIGHT, place.top + row * (index + 1)) for index in range(len(shown))]
    _draw_axis(canvas, place, axis, spans)
    for index, spread in enumerate(spreads):
        if spread is None:
            canvas.text((place.left, place.top + row * (index + middle) + 4), "no result", COUNT)
            continue
        top, bottom, right = index + middle - half, index + middle + half, min(spread.p95, axis.top)
        outline = [(spread.p5, top), (right, top), (right, bottom), (spread.p5, bottom)]
        area.shapes([outline], theme.METRIC_COLORS[metric], edge=1, alpha=0.35, zorder=2)
        stroke = [(spread.median, top - half / 2), (spread.median, bottom + half / 2)]
        area.lines([stroke], theme.METRIC_COLORS[metric], 3, zorder=3)
        y = place.top + row * (index + middle) + 4
        canvas.text((place.right + 6, y), units.format_number(spread.median / axis.divisor), VALUE)
    if promised:
        x = place.left + place.width * promised / axis.top
        canvas.rules([((x, top), (x, bottom)) for top, bottom in spans], theme.PLAN, "--")


def _draw_axis(canvas: Canvas, place: Box, axis: ValueAxis, spans: Sequence[tuple[float, float]]) -> None:
    xs = [(tick, place.left + place.width * tick / axis.top) for tick in axis.ticks]
    canvas.rules([((x, top), (x, bottom)) for _, x in xs for top, bottom in spans], theme.GRID)
    canvas.rules([((place.left, place.bottom), (place.right, place.bottom))], theme.AXIS)
    for tick, x in xs:
        canvas.text((x, place.bottom + 15), units.format_round_number(tick / axis.divisor), TICK)


def draw_servers(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, context: GraphContext) -> None:
    """Draw a row for each server and ISP, most used first, and the distributions of the first four."""
    runs = join_columns([series.runs for series in all_series], SPEED_METRICS)
    group_list, (counts, sources) = group_runs(runs, server_and_isp), count_series(all_series)
    facts = (labels.describe_window(window, context.zone), labels.describe_sources(sources, all_series))
    top = draw_title(canvas, f"{context.title}: by server and ISP", facts) + theme.LINE_HEIGHT
    nameless = len(runs) - sum(len(group.runs) for group in group_list)
    parts = (
        *BARS_NOTES,
        CURVES_NOTE,
        _omitted_groups_note(len(group_list)),
        _nameless_runs_note(nameless),
        labels.describe_doubts(counts),
    )
    foot = draw_footer(canvas, parts)
    if not group_list:
        canvas.text((canvas.width / 2, (top + foot) / 2), "no result", NO_RESULT)
        return
    box = Box(theme.MARGIN, top, canvas.width - 2 * theme.MARGIN, (foot - top) * SERVER_BARS_SHARE)
    lines_by_metric = {metric: plan_lines(all_series, metric, context.plan, window.span[0]) for metric in SPEED_METRICS}
    end = (
        draw_bars(
            canvas, box, group_list, {metric: newest_promise(promised) for metric, promised in lines_by_metric.items()}
        )
        + 24
    )
    _draw_curves(canvas, box._replace(top=end, height=foot - end), group_list[:MAX_LINES], lines_by_metric)


def _draw_curves(
    canvas: Canvas, box: Box, group_list: Sequence[Group], lines_by_metric: Mapping[Metric, Sequence[PlanLine]]
) -> None:
    width = box.width / 2
    for index, metric in enumerate((Metric.DOWNLOAD, Metric.UPLOAD)):
        # The legend is below the axis numbers, where no plan line crosses it.
        key = 8 + LEGEND_ROW * len(group_list)
        place = Box(box.left + 46 + index * width, box.top + 12, width - 70, box.height - 12 - key)
        draw_curves(
            canvas,
            place,
            metric,
            [group.values(metric) for group in group_list],
            promised_levels(lines_by_metric[metric]),
        )
        at, names = (place.left, place.bottom + LEGEND_ROW), [group.name for group in group_list]
        draw_legend(canvas, at, metric, names, room=place.width)


def _omitted_groups_note(count: int) -> str:
    return f"The {MAX_GROUPS} with the most results of {count:,}." if count > MAX_GROUPS else ""


def _nameless_runs_note(count: int) -> str:
    return f"{count:,} runs ended before a server was known." if count else ""


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
        """The number of failed or interrupted runs."""
        return self._count(lambda attributes: attributes.broken)

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
