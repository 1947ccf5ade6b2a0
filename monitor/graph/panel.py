"""One panel of a graph: a metric over time, with failure spans, the plan, and marks for values above the scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.graph import promise, style
from monitor.graph.envelope import envelope
from monitor.graph.sheet import Pen
from monitor.graph.words import NAMES, number, round_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from monitor.graph.data import Metric
    from monitor.graph.envelope import Envelope
    from monitor.graph.line import Line
    from monitor.graph.promise import Promise
    from monitor.graph.scale import Scale
    from monitor.graph.sheet import Area, Dash, Sheet
    from monitor.graph.track import Track

LABEL = Pen(style.SMALL_SIZE, style.QUIET, align="right")
HEADING = Pen(style.TEXT_SIZE, style.INK, bold=True)
NOTE = Pen(style.SMALL_SIZE, style.QUIET, align="right")
MIDDLE = Pen(style.TEXT_SIZE, style.QUIET, align="center")
PLAN = Pen(style.SMALL_SIZE, style.PLAN)
DOT_FROM_PIXELS = 7
LONE_PIXELS = 2
NUMBER_HEIGHT = 15
BANDS_PER_PIXEL = 0.2


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

    def least_band(self, all_series: Sequence[Track]) -> float:
        """Return the minimum length in seconds of a shaded span: that of a pixel if spans are crowded, else 0."""
        crowded = sum(len(series.bands.starts) for series in all_series) > self.width * BANDS_PER_PIXEL
        return self.seconds_per_pixel if crowded else 0

    def area(self, canvas: Sheet, top: float, height: float, up: tuple[float, float]) -> Area:
        """Return an area that spans the window."""
        return canvas.area((self.left, top, self.width, height), (self.start, self.end), up)


def colors(metric: Metric, count: int) -> tuple[str, ...]:
    """Return a colour for each of `count` series; the first is the metric's own."""
    return tuple((style.METRICS[metric], *style.OTHER_TRACKS)[index % 4] for index in range(count))


@dataclass(frozen=True, slots=True)
class Panel:
    """A metric with its y axis and its position on the canvas."""

    metric: Metric
    axis: Scale
    top: float
    height: float
    promises: tuple[Promise, ...] = ()

    def draw(self, canvas: Sheet, frame: Frame, all_series: Sequence[Track]) -> Area:
        """Draw the panel and return its area, in the unit of the metric."""
        area = frame.area(canvas, self.top, self.height, (0, self.axis.top))
        draw_bands(area, frame, all_series, self.axis.top)
        self._grid(area, frame)
        beyond = [
            self._track(area, frame, series, color, style.DASHES[index % len(style.DASHES)])
            for index, (series, color) in enumerate(zip(all_series, colors(self.metric, len(all_series)), strict=True))
        ]
        self._label(canvas, frame, measured=any(measured for measured, _ in beyond))
        self._plan(canvas, area, frame)
        self._off_scale(canvas, area, frame, [point for _, points in beyond for point in points])
        return area

    def _track(
        self, area: Area, frame: Frame, series: Track, color: str, dash: Dash
    ) -> tuple[int, list[tuple[float, float]]]:
        """Draw the line of a series; return its number of results, and those above the scale."""
        line = series.line(self.metric)
        draw_line(area, frame, line, color, dash)
        doubtful = [(at, min(value, self.axis.top)) for at, value in series.doubtful(self.metric)]
        area.marks(doubtful, "D", style.QUIET, 4, hollow=True)
        return len(line), line.above(self.axis.top)

    @property
    def _ticks(self) -> Sequence[float]:
        """The ticks of the axis; in a low panel every second or third, so that their numbers do not overlap."""
        rows = self.height / self.axis.top * self.axis.ticks[-1] / NUMBER_HEIGHT
        return self.axis.ticks[:: max(1, math.ceil((len(self.axis.ticks) - 1) / max(rows, 1)))]

    def _y(self, value: float) -> float:
        return self.top + self.height * (1 - value / self.axis.top)

    def _grid(self, area: Area, frame: Frame) -> None:
        top = self.axis.top
        verticals = [[(at, 0), (at, top)] for at in frame.large]
        levels = [[(frame.start, level), (frame.end, level)] for level in self._ticks[1:]]
        area.lines(verticals + levels, style.GRID, 1, zorder=1)
        # Two pixels wide; the border clips the lower one.
        area.lines([[(frame.start, 0), (frame.end, 0)]], style.AXIS, 2, zorder=4)

    def _label(self, canvas: Sheet, frame: Frame, *, measured: bool) -> None:
        y = self.top - 9
        name = NAMES[self.metric]
        canvas.text((frame.left, y), name, HEADING)
        if not measured:
            canvas.text((frame.left + frame.width / 2, self.top + self.height / 2), "no result", MIDDLE)
        if measured or promise.highest(self.promises):
            after = frame.left + canvas.width_of(name, HEADING) + 6
            canvas.text((after, y), self.axis.unit, Pen(style.TEXT_SIZE, style.QUIET))
            for tick in self._ticks:
                canvas.text((frame.left - 8, self._y(tick) + 4), round_number(tick / self.axis.divisor), LABEL)

    def _plan(self, canvas: Sheet, area: Area, frame: Frame) -> None:
        area.lines(
            [line for line_of_plan in self.promises for line in line_of_plan.line(frame.end)], style.PLAN, 1, 5, "--"
        )
        promised = promise.newest(self.promises)
        if promised is not None:
            at = (frame.left + frame.width + 6, self._y(promised) + 4)
            canvas.text(at, f"plan {round_number(promised / self.axis.divisor)}", PLAN)

    def _off_scale(self, canvas: Sheet, area: Area, frame: Frame, beyond: Sequence[tuple[float, float]]) -> None:
        if not beyond:
            return
        area.marks([(at, self.axis.top) for at, _ in beyond], "^", style.METRICS[self.metric], 7)
        highest = number(max(value for _, value in beyond) / self.axis.divisor)
        note = f"▲ {len(beyond):,} above the scale, highest {highest} {self.axis.unit}"
        canvas.text((frame.left + frame.width, self.top - 9), note, NOTE)


def draw_bands(area: Area, frame: Frame, all_series: Sequence[Track], top: float) -> None:
    """Shade the failure spans of all series over the full height, each at least a pixel wide unless crowded."""
    min_length = frame.least_band(all_series)
    spans = [(start, min(end, frame.end)) for series in all_series for start, end in series.bands.at_least(min_length)]
    boxes = [[(start, 0), (start, top), (end, top), (end, 0)] for start, end in spans]
    area.shapes(boxes, style.BAND, edge=1, alpha=1, zorder=0.5)


def draw_line(area: Area, frame: Frame, line: Line, color: str, dash: Dash = "-") -> None:
    """Draw each segment as a line; crowded ones as median and envelope."""
    if frame.bucket is None:
        joined = [_points(part.times, part.values) for part in line.segments()]
    else:
        # Breaks shorter than a pixel would only blacken the graph; the rows of marks show them.
        thinned = [envelope(part, frame.bucket) for part in line.segments(frame.seconds_per_pixel)]
        area.shapes(list(map(_outline, thinned)), color, edge=0.5, alpha=style.ENVELOPE_ALPHA, zorder=2)
        joined = [_points(part.times, part.middle) for part in thinned]
    area.lines(joined, color, 1.5, zorder=3, dash=dash)
    dots = [point for points in joined if _needs_dots(points, frame) for point in points]
    area.marks(dots, "o", color, 5 if frame.bucket is None else 2.5)


def _points(times: NDArray[Any], values: NDArray[Any]) -> list[tuple[float, float]]:
    return list(zip(times.tolist(), values.tolist(), strict=True))


def _outline(part: Envelope) -> list[tuple[float, float]]:
    return [*_points(part.times, part.low), *_points(part.times[::-1], part.high[::-1])]


def _needs_dots(points: Sequence[tuple[float, float]], frame: Frame) -> bool:
    pixels = (points[-1][0] - points[0][0]) / frame.seconds_per_pixel
    roomy = frame.bucket is None and pixels >= DOT_FROM_PIXELS * (len(points) - 1)
    return roomy or pixels < LONE_PIXELS
