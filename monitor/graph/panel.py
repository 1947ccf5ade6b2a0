"""One metric over time: frame, time axis, line or envelope, legend.

One panel of a graph: a metric over time, with failure spans, the plan, and marks for values above the scale.

The time axis that the panels of a graph share: frame and ticks; and the notes in the footer.

Reduces a line with more tests than pixels to the minimum, median and maximum of each time bucket. Pure.

The envelope covers every value, and it begins and ends where its segment does.

The legend of a panel with several lines: for each a short stroke in its dash style, and its name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from monitor.analysis import plan
from monitor.graph import theme
from monitor.graph.axes import place_ticks
from monitor.graph.canvas import TextStyle
from monitor.graph.labels import METRIC_NAMES
from monitor.output.units import format_number, format_trimmed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from monitor.analysis.metrics import Metric
    from monitor.analysis.plan import PlanLine
    from monitor.analysis.series import MetricLine, RunSeries, Segment
    from monitor.graph.axes import Tick, ValueAxis
    from monitor.graph.canvas import Canvas, Dash, PlotArea
    from monitor.localtime import Window


LABEL = TextStyle(theme.SMALL_SIZE, theme.MUTED, align="right")

HEADING = TextStyle(theme.TEXT_SIZE, theme.INK, bold=True)

NOTE = TextStyle(theme.SMALL_SIZE, theme.MUTED, align="right")

MIDDLE = TextStyle(theme.TEXT_SIZE, theme.MUTED, align="center")

PLAN = TextStyle(theme.SMALL_SIZE, theme.PLAN)

DOT_FROM_PIXELS = 7

LONE_PIXELS = 2

NUMBER_HEIGHT = 15

SPANS_PER_PIXEL = 0.2

TICK = TextStyle(theme.SMALL_SIZE, theme.INK, align="center")

CONTEXT = TextStyle(theme.SMALL_SIZE, theme.MUTED, align="center")

FOOTER = TextStyle(theme.SMALL_SIZE - 1, theme.MUTED)

HOUR = 3600

BUCKET_WIDTHS = (
    60,
    300,
    600,
    900,
    1800,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    24 * HOUR,
    48 * HOUR,
    168 * HOUR,
)

MIN_BUCKET_PIXELS = 2.5

MAX_TESTS_PER_PIXEL = 1.0

# There are four colours and dash styles.
MAX_LINES = 4

STROKE_LENGTH, LEGEND_GAP, LEGEND_ROW = 26, 22, 17

LEGEND_INDENT = STROKE_LENGTH + 6


@dataclass(frozen=True, slots=True)
class Frame:
    """What all panels share: the x axis in epoch seconds and pixels, its ticks, the bucket width of crowded lines."""

    start: float
    end: float
    left: float
    width: float
    large: tuple[float, ...]
    small: tuple[float, ...]
    bucket: int | None = None

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
    promises: tuple[PlanLine, ...] = ()

    def draw(self, canvas: Canvas, frame: Frame, all_series: Sequence[RunSeries]) -> PlotArea:
        """Draw the panel and return its area, in the unit of the metric."""
        area = frame.area(canvas, self.top, self.height, (0, self.axis.top))
        draw_failure_spans(area, frame, all_series, self.axis.top)
        self._grid(area, frame)
        beyond = [
            self._track(area, frame, series, color, theme.DASHES[index % len(theme.DASHES)])
            for index, (series, color) in enumerate(
                zip(all_series, line_colors(self.metric, len(all_series)), strict=True)
            )
        ]
        self._label(canvas, frame, measured=any(measured for measured, _ in beyond))
        self._plan(canvas, area, frame)
        self._off_scale(canvas, area, frame, [point for _, points in beyond for point in points])
        return area

    def _track(
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

    def _grid(self, area: PlotArea, frame: Frame) -> None:
        top = self.axis.top
        verticals = [[(at, 0), (at, top)] for at in frame.large]
        levels = [[(frame.start, level), (frame.end, level)] for level in self._ticks[1:]]
        area.lines(verticals + levels, theme.GRID, 1, zorder=1)
        # Two pixels wide; the border clips the lower one.
        area.lines([[(frame.start, 0), (frame.end, 0)]], theme.AXIS, 2, zorder=4)

    def _label(self, canvas: Canvas, frame: Frame, *, measured: bool) -> None:
        y = self.top - 9
        name = METRIC_NAMES[self.metric]
        canvas.text((frame.left, y), name, HEADING)
        if not measured:
            canvas.text((frame.left + frame.width / 2, self.top + self.height / 2), "no result", MIDDLE)
        if measured or plan.highest_promise(self.promises):
            after = frame.left + canvas.width_of(name, HEADING) + 6
            canvas.text((after, y), self.axis.unit, TextStyle(theme.TEXT_SIZE, theme.MUTED))
            for tick in self._ticks:
                canvas.text((frame.left - 8, self._y(tick) + 4), format_trimmed(tick / self.axis.divisor), LABEL)

    def _plan(self, canvas: Canvas, area: PlotArea, frame: Frame) -> None:
        area.lines(
            [line for line_of_plan in self.promises for line in line_of_plan.line(frame.end)], theme.PLAN, 1, 5, "--"
        )
        promised = plan.newest_promise(self.promises)
        if promised is not None:
            at = (frame.left + frame.width + 6, self._y(promised) + 4)
            canvas.text(at, f"plan {format_trimmed(promised / self.axis.divisor)}", PLAN)

    def _off_scale(self, canvas: Canvas, area: PlotArea, frame: Frame, beyond: Sequence[tuple[float, float]]) -> None:
        if not beyond:
            return
        area.marks([(at, self.axis.top) for at, _ in beyond], "^", theme.METRIC_COLORS[self.metric], 7)
        highest = format_number(max(value for _, value in beyond) / self.axis.divisor)
        note = f"▲ {len(beyond):,} above the scale, highest {highest} {self.axis.unit}"
        canvas.text((frame.left + frame.width, self.top - 9), note, NOTE)


def draw_failure_spans(area: PlotArea, frame: Frame, all_series: Sequence[RunSeries], top: float) -> None:
    """Shade the failure spans of all series over the full height, each at least a pixel wide unless crowded."""
    min_length = frame.least_band(all_series)
    spans = [(start, min(end, frame.end)) for series in all_series for start, end in series.bands.at_least(min_length)]
    boxes = [[(start, 0), (start, top), (end, top), (end, 0)] for start, end in spans]
    area.shapes(boxes, theme.FAILURE_SPAN, edge=1, alpha=1, zorder=0.5)


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


def make_frame(
    canvas: Canvas, all_series: Sequence[RunSeries], window: Window, zone: ZoneInfo, right: float = theme.RIGHT_MARGIN
) -> tuple[Frame, tuple[Tick, ...]]:
    """Return the frame of panels as wide as the canvas, and the ticks that get a label."""
    start, end = window.span
    width = canvas.width - theme.LEFT_MARGIN - right
    large, small = place_ticks(window, zone, int(width // theme.TICK_PIXELS))
    most_runs = max((len(series.runs) for series in all_series), default=0)
    instants = tuple(tick.at for tick in large)
    return Frame(
        start, end, theme.LEFT_MARGIN, width, instants, small, choose_bucket_width(most_runs, end - start, width)
    ), large


def draw_time_axis(canvas: Canvas, frame: Frame, labelled: Sequence[Tick], bottom: float) -> None:
    """Draw the ticks below the lowest panel."""
    lengths = dict.fromkeys(frame.small, 3) | {tick.at: 6 for tick in labelled}
    canvas.rules(
        [((frame.x(at), bottom), (frame.x(at), bottom + length)) for at, length in lengths.items()], theme.AXIS
    )
    for tick in labelled:
        x = frame.x(tick.at)
        canvas.text((x, bottom + 19), tick.label, TICK)
        canvas.text((x, bottom + 35), tick.context, CONTEXT)


def draw_footer(canvas: Canvas, parts: Sequence[str]) -> float:
    """Write the notes on how to read the graph in the footer; return the y of its top."""
    lines = canvas.wrap(parts, " ", FOOTER, canvas.width - 2 * theme.MARGIN)
    top = canvas.height - 12 - theme.FOOTER_LINE_HEIGHT * len(lines)
    for index, line in enumerate(lines, start=1):
        canvas.text((theme.MARGIN, top + theme.FOOTER_LINE_HEIGHT * index), line, FOOTER)
    return top


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
    return next((width for width in BUCKET_WIDTHS if width >= wanted_s), BUCKET_WIDTHS[-1])


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
    for index, (name, color) in enumerate(zip(names, line_colors(metric, len(names)), strict=True)):
        text_style = TextStyle(theme.SMALL_SIZE, color)
        draw_legend_stroke(canvas, (x, y), index, color)
        canvas.text((x + LEGEND_INDENT, y), name, text_style, room and room - LEGEND_INDENT)
        if room:
            y += LEGEND_ROW
        else:
            x += LEGEND_INDENT + canvas.width_of(name, text_style) + LEGEND_GAP
