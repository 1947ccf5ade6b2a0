"""One metric over time: the frame that panels share, the panel, its lines or envelopes, the time axis, the legend.

Lines with more tests than pixels are reduced to the minimum, median and maximum of each time bucket. Such an envelope
covers every value, and it begins and ends where its segment does. Needs a canvas but does not import matplotlib: the
plots in a terminal use the envelopes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from monitor.analysis import plan
from monitor.graph import labels, theme
from monitor.graph.axes import place_ticks
from monitor.graph.theme import TextStyle
from monitor.localtime import HOUR, MINUTE
from monitor.output.units import format_number, format_trimmed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.analysis.metrics import Metric
    from monitor.analysis.plan import PlanLine
    from monitor.analysis.series import MetricLine, RunSeries, Segment
    from monitor.graph.axes import Tick, ValueAxis
    from monitor.graph.canvas import Canvas, Dash, PlotArea
    from monitor.localtime import Window


# Tests that are at least so far apart, and lines shorter than this, get dots.
DOT_FROM_PIXELS, LONE_PIXELS = 7, 2
# The numbers of an axis are at least so far apart.
NUMBER_HEIGHT = 15
# With more failures than this, only those as long as a pixel are shaded.
SPANS_PER_PIXEL = 0.2

# With more tests than this, lines are drawn in buckets of one of these widths, the first that is wide enough.
MAX_TESTS_PER_PIXEL = 1.0
MIN_BUCKET_PIXELS = 2.5
# Buckets of weeks may be narrower, by this much.
LEAST_BUCKET_SHARE = 0.6
BUCKET_WIDTHS = (
    *(minutes * MINUTE for minutes in (1, 5, 10, 15, 30)),
    *(hours * HOUR for hours in (1, 2, 3, 6, 12, 24, 48, 168)),
)

# There are four colours and dash styles.
MAX_LINES = 4
STROKE_LENGTH, LEGEND_GAP, LEGEND_ROW = 26, 22, 17
LEGEND_INDENT = STROKE_LENGTH + 6


@dataclass(frozen=True, slots=True)
class Frame:
    """What all panels share: the x axis in epoch seconds and pixels, its ticks, the bucket width of crowded lines.

    `ticks` have a label, `small_ticks` are epoch seconds; texts are in `zone`.
    """

    start: float
    end: float
    left: float
    width: float
    zone: ZoneInfo | None = None
    ticks: tuple[Tick, ...] = ()
    small_ticks: tuple[float, ...] = ()
    bucket: int | None = None
    right_margin: float = theme.RIGHT_MARGIN

    def x(self, at: float) -> float:
        """Return the pixel of a moment."""
        return self.left + self.width * (at - self.start) / (self.end - self.start)

    @property
    def seconds_per_pixel(self) -> float:
        """The time that one pixel covers."""
        return (self.end - self.start) / self.width

    def least_band(self, all_series: Sequence[RunSeries]) -> float:
        """Return the minimum length in seconds of a shaded span: that of a pixel if spans are crowded, else 0."""
        crowded = sum(len(series.bands.starts) for series in all_series) > self.width * SPANS_PER_PIXEL
        return self.seconds_per_pixel if crowded else 0

    def area(self, canvas: Canvas, top: float, height: float, up: tuple[float, float]) -> PlotArea:
        """Return an area that spans the window."""
        return canvas.area((self.left, top, self.width, height), (self.start, self.end), up)


def make_frame(canvas: Canvas, all_series: Sequence[RunSeries], window: Window, zone: ZoneInfo) -> Frame:
    """Return the frame of panels as wide as the canvas."""
    start, end = window.span
    left, right = theme.side_margins(canvas.width)
    width = canvas.width - left - right
    ticks, small_ticks = place_ticks(window, zone, int(width // theme.TICK_PIXELS))
    most_runs = max((len(series.runs) for series in all_series), default=0)
    bucket = choose_bucket_width(most_runs, end - start, width)
    return Frame(start, end, left, width, zone, ticks, small_ticks, bucket, right)


def draw_time_axis(canvas: Canvas, frame: Frame, bottom: float) -> None:
    """Draw the ticks below the lowest panel."""
    lengths = dict.fromkeys(frame.small_ticks, 3) | {tick.at: 6 for tick in frame.ticks}
    canvas.rules(
        [((frame.x(at), bottom), (frame.x(at), bottom + length)) for at, length in lengths.items()], theme.AXIS
    )
    for tick in frame.ticks:
        x = frame.x(tick.at)
        canvas.text((x, bottom + 19), tick.label, theme.TIME_STYLE)
        canvas.text((x, bottom + 35), tick.context, theme.TICK_STYLE)


def reading_notes(frame: Frame, all_series: Sequence[RunSeries], *, crowded_marks: bool = False) -> tuple[str, ...]:
    """Return the notes on how to read lines, shading and marks."""
    doubtful = any(run.doubtful for series in all_series for run, _ in series.runs.counts())
    return (
        labels.describe_lines(frame.bucket),
        labels.describe_shading(frame.least_band(all_series)),
        labels.CROWDED_MARKS_NOTE if crowded_marks else "",
        labels.BLANK_NOTE,
        labels.DOUBTFUL_MARK_NOTE if doubtful else "",
    )


def line_colors(metric: Metric, count: int) -> tuple[str, ...]:
    """Return a colour for each of `count` series; the first is the metric's own."""
    return tuple((theme.METRIC_COLORS[metric], *theme.OTHER_SERIES)[index % 4] for index in range(count))


@dataclass(frozen=True, slots=True)
class Panel:
    """A metric with its y axis and its position on the canvas."""

    metric: Metric
    axis: ValueAxis
    top: float
    height: float
    plan_lines: tuple[PlanLine, ...] = ()

    @property
    def bottom(self) -> float:
        """The y of its bottom edge."""
        return self.top + self.height

    def draw(self, canvas: Canvas, frame: Frame, all_series: Sequence[RunSeries]) -> PlotArea:
        """Draw the panel and return its area, in the unit of the metric."""
        area = frame.area(canvas, self.top, self.height, (0, self.axis.top))
        draw_failure_spans(area, frame, all_series, self.axis.top)
        self._draw_grid(area, frame)
        drawn = [
            self._draw_series(area, frame, series, color, theme.DASHES[index % len(theme.DASHES)])
            for index, (series, color) in enumerate(
                zip(all_series, line_colors(self.metric, len(all_series)), strict=True)
            )
        ]
        self._label(canvas, frame, measured=any(results for results, _ in drawn))
        self._draw_plan(canvas, area, frame)
        self._mark_off_scale(canvas, area, frame, [point for _, points in drawn for point in points])
        return area

    def _draw_series(
        self, area: PlotArea, frame: Frame, series: RunSeries, color: str, dash: Dash
    ) -> tuple[int, list[tuple[float, float]]]:
        """Draw the line of a series; return its number of results, and those above the scale."""
        line = series.line(self.metric)
        draw_line(area, frame, line, color, dash)
        doubtful = [(at, min(value, self.axis.top)) for at, value in series.doubtful(self.metric)]
        area.marks(doubtful, "D", theme.MUTED, 4, hollow=True)
        return len(line), line.above(self.axis.top)

    @property
    def _ticks(self) -> Sequence[float]:
        """The ticks of the axis; in a low panel every second or third, so that their numbers do not overlap."""
        rows = self.height / self.axis.top * self.axis.ticks[-1] / NUMBER_HEIGHT
        return self.axis.ticks[:: max(1, math.ceil((len(self.axis.ticks) - 1) / max(rows, 1)))]

    def _y(self, value: float) -> float:
        return self.top + self.height * (1 - value / self.axis.top)

    def _draw_grid(self, area: PlotArea, frame: Frame) -> None:
        top = self.axis.top
        verticals = [[(tick.at, 0), (tick.at, top)] for tick in frame.ticks]
        levels = [[(frame.start, level), (frame.end, level)] for level in self._ticks[1:]]
        area.lines(verticals + levels, theme.GRID, 1, zorder=1)
        # Two pixels wide; the border clips the lower one.
        area.lines([[(frame.start, 0), (frame.end, 0)]], theme.AXIS, 2, zorder=4)

    def _label(self, canvas: Canvas, frame: Frame, *, measured: bool) -> None:
        scaled = measured or plan.highest_promise(self.plan_lines)
        name = labels.METRIC_NAMES[self.metric]
        canvas.heading((frame.left, self.top - 9), name, self.axis.unit if scaled else "")
        if not measured:
            middle = frame.left + frame.width / 2, self.top + self.height / 2
            canvas.text(middle, labels.NO_RESULT, theme.EMPTY_STYLE)
        for tick in self._ticks if scaled else ():
            number = format_trimmed(tick / self.axis.divisor)
            canvas.text((frame.left - 8, self._y(tick) + 4), number, theme.VALUE_LABEL_STYLE)

    def _draw_plan(self, canvas: Canvas, area: PlotArea, frame: Frame) -> None:
        steps = [line for plan_line in self.plan_lines for line in plan_line.line(frame.end)]
        area.lines(steps, theme.PLAN, 1, 5, "--")
        promised = plan.newest_promise(self.plan_lines)
        if promised is not None:
            at = (frame.left + frame.width + 6, self._y(promised) + 4)
            canvas.text(at, f"plan {format_trimmed(promised / self.axis.divisor)}", theme.PLAN_STYLE)

    def _mark_off_scale(
        self, canvas: Canvas, area: PlotArea, frame: Frame, beyond: Sequence[tuple[float, float]]
    ) -> None:
        if not beyond:
            return
        area.marks([(at, self.axis.top) for at, _ in beyond], "^", theme.METRIC_COLORS[self.metric], 7)
        highest = format_number(max(value for _, value in beyond) / self.axis.divisor)
        note = f"▲ {len(beyond):,} above the scale, highest {highest} {self.axis.unit}"
        canvas.text((frame.left + frame.width, self.top - 9), note, theme.VALUE_LABEL_STYLE)


def draw_panels(canvas: Canvas, frame: Frame, panels: Sequence[Panel], all_series: Sequence[RunSeries]) -> None:
    """Draw panels, and the time axis below the last one."""
    for panel in panels:
        panel.draw(canvas, frame, all_series)
    draw_time_axis(canvas, frame, panels[-1].bottom)


def stack_panels(shares: Mapping[Metric, float], top: float, bottom: float) -> dict[Metric, tuple[float, float]]:
    """Return top and height of panels that stand one below the other, whose heights are in these proportions."""
    room = bottom - top - theme.PANEL_TITLE_HEIGHT * len(shares)
    places = {}
    for metric, share in shares.items():
        top += theme.PANEL_TITLE_HEIGHT
        height = room * share / sum(shares.values())
        places[metric] = top, height
        top += height
    return places


def draw_failure_spans(area: PlotArea, frame: Frame, all_series: Sequence[RunSeries], top: float) -> None:
    """Shade the failure spans of all series over the full height, each at least a pixel wide unless crowded."""
    least = frame.least_band(all_series)
    spans = [(start, min(end, frame.end)) for series in all_series for start, end in series.bands.at_least(least)]
    corners = [(start, top, end, 0.0) for start, end in spans]
    area.rectangles(corners, theme.FAILURE_SPAN, edge=1, alpha=1, zorder=0.5)


def draw_line(area: PlotArea, frame: Frame, line: MetricLine, color: str, dash: Dash = "-") -> None:
    """Draw each segment as a line; crowded ones as median and envelope."""
    if frame.bucket is None:
        joined = [_to_points(part.times, part.values) for part in line.segments()]
    else:
        # Breaks shorter than a pixel would only blacken the graph; the rows of marks show them.
        thinned = [make_envelope(part, frame.bucket) for part in line.segments(frame.seconds_per_pixel)]
        area.shapes(list(map(_envelope_outline, thinned)), color, edge=0.5, alpha=theme.ENVELOPE_ALPHA, zorder=2)
        joined = [_to_points(part.times, part.middle) for part in thinned]
    area.lines(joined, color, 1.5, zorder=3, dash=dash)
    dots = [point for points in joined if _needs_dots(points, frame) for point in points]
    area.marks(dots, "o", color, 5 if frame.bucket is None else 2.5)


def _to_points(times: NDArray[Any], values: NDArray[Any]) -> list[tuple[float, float]]:
    return list(zip(times.tolist(), values.tolist(), strict=True))


def _envelope_outline(part: Envelope) -> list[tuple[float, float]]:
    return [*_to_points(part.times, part.low), *_to_points(part.times[::-1], part.high[::-1])]


def _needs_dots(points: Sequence[tuple[float, float]], frame: Frame) -> bool:
    pixels = (points[-1][0] - points[0][0]) / frame.seconds_per_pixel
    roomy = frame.bucket is None and pixels >= DOT_FROM_PIXELS * (len(points) - 1)
    return roomy or pixels < LONE_PIXELS


class Envelope(NamedTuple):
    """One segment in buckets: times in epoch seconds, values in the unit of the metric."""

    times: NDArray[np.float64]
    low: NDArray[np.float64]
    middle: NDArray[np.float64]
    high: NDArray[np.float64]


def choose_bucket_width(tests: int, seconds: float, pixels: float) -> int | None:
    """Return the bucket width in seconds; None if every test has a pixel of its own."""
    if tests <= MAX_TESTS_PER_PIXEL * pixels:
        return None
    wanted_s = MIN_BUCKET_PIXELS * seconds / pixels
    longest = BUCKET_WIDTHS[-1] * math.ceil(wanted_s * LEAST_BUCKET_SHARE / BUCKET_WIDTHS[-1])
    return next((width for width in BUCKET_WIDTHS if width >= wanted_s), longest)


def make_envelope(segment: Segment, width: int) -> Envelope:
    """Return a segment in buckets of `width` seconds, aligned to the epoch."""
    times, values = segment.times, segment.stored
    bucket = times // width
    starts = np.append(0, np.flatnonzero(bucket[1:] != bucket[:-1]) + 1)
    last = np.append(starts[1:], len(times)) - 1
    middle = np.array([_median(part) for part in np.split(values, starts[1:])])
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    middles = (times[starts].astype(float) + times[last]) / 2
    return Envelope(
        _extend_to_ends(middles, times[0], times[-1]),
        *(_extend_to_ends(part, part[0], part[-1]) / segment.unit for part in (low, middle, high)),
    )


def _extend_to_ends(inner: NDArray[Any], first: float, last: float) -> NDArray[np.float64]:
    return np.concatenate([[first], inner, [last]])


def _median(values: NDArray[Any]) -> float:
    """Return the median; np.median takes ten times as long for the few values of a bucket."""
    ordered = np.sort(values)
    return (float(ordered[(len(ordered) - 1) // 2]) + float(ordered[len(ordered) // 2])) / 2


def draw_legend_stroke(canvas: Canvas, at: tuple[float, float], index: int, color: str) -> None:
    """Draw a short stroke in the style of the line with this index, with (x, y) on the text base line."""
    x, y = at
    stroke = canvas.area((x, y - 8, STROKE_LENGTH, 8), (0, 1), (0, 1))
    stroke.lines([[(0, 0.5), (1, 0.5)]], color, 2, 3, theme.DASHES[index % len(theme.DASHES)])


def draw_legend(
    canvas: Canvas, at: tuple[float, float], metric: Metric, names: Sequence[str], room: float | None = None
) -> None:
    """Write the names of lines side by side or, given `room`, one below the other, each no wider than that."""
    x, y = at
    widest = room and room - LEGEND_INDENT
    if canvas.is_phone and not room:
        widest = (canvas.width - x) / len(names) - LEGEND_INDENT - LEGEND_GAP / 2
    for index, (name, color) in enumerate(zip(names, line_colors(metric, len(names)), strict=True)):
        text_style = TextStyle(theme.SMALL_SIZE, color)
        draw_legend_stroke(canvas, (x, y), index, color)
        written = canvas.text((x + LEGEND_INDENT, y), name, text_style, widest)
        if room:
            y += LEGEND_ROW
        else:
            x += LEGEND_INDENT + canvas.width_of(written, text_style) + LEGEND_GAP
