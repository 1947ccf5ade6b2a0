"""One panel of a graph: a metric over time, with bands of failure, the plan, and marks for what is off the scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.graph import stats, style
from monitor.graph.envelope import envelope
from monitor.graph.scale import Scale, scale
from monitor.graph.sheet import Pen
from monitor.graph.words import NAMES, number, round_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.graph.data import Metric, Segment, Track
    from monitor.graph.envelope import Envelope
    from monitor.graph.sheet import Area, Dash, Sheet

LABEL = Pen(style.SMALL_SIZE, style.QUIET, align="right")
HEADING = Pen(style.TEXT_SIZE, style.INK, bold=True)
NOTE = Pen(style.SMALL_SIZE, style.QUIET, align="right")
MIDDLE = Pen(style.TEXT_SIZE, style.QUIET, align="center")
PLAN = Pen(style.SMALL_SIZE, style.PLAN)
DOT_FROM_PIXELS = 7
LONE_PIXELS = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """What all panels share: the x axis in epoch seconds and in pixels, its ticks, and the bucket of crowded lines."""

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
        """How long a pixel lasts."""
        return (self.end - self.start) / self.width

    def area(self, sheet: Sheet, top: float, height: float, up: tuple[float, float]) -> Area:
        """Return an area that spans the window."""
        return sheet.area((self.left, top, self.width, height), (self.start, self.end), up)


def colors(metric: Metric, count: int) -> tuple[str, ...]:
    """Return a colour for each of `count` tracks; the first is the metric's own."""
    return tuple((style.METRICS[metric], *style.OTHER_TRACKS)[index % 4] for index in range(count))


def axis_of(metric: Metric, tracks: Sequence[Track], sold: float | None) -> Scale:
    """Return the y axis that suits all tracks and the plan."""
    return scale(metric, stats.values(tracks, metric), sold)


@dataclass(frozen=True, slots=True)
class Panel:
    """A metric with its y axis and its place on the sheet."""

    metric: Metric
    axis: Scale
    top: float
    height: float
    sold: float | None

    def draw(self, sheet: Sheet, frame: Frame, tracks: Sequence[Track]) -> Area:
        """Draw the panel and return its area, in the unit of the metric."""
        area = frame.area(sheet, self.top, self.height, (0, self.axis.top))
        draw_bands(area, frame, tracks, self.axis.top)
        self._grid(area, frame)
        for index, (track, color) in enumerate(zip(tracks, colors(self.metric, len(tracks)), strict=True)):
            draw_line(area, frame, track.segments[self.metric], color, style.DASHES[index % len(style.DASHES)])
            doubtful = [(at, min(value, self.axis.top)) for at, value in track.doubtful[self.metric]]
            area.marks(doubtful, "D", style.QUIET, 4, hollow=True)
        self._label(sheet, frame, measured=any(track.segments[self.metric] for track in tracks))
        self._plan(sheet, frame)
        self._off_scale(sheet, area, frame, tracks)
        return area

    def _y(self, value: float) -> float:
        return self.top + self.height * (1 - value / self.axis.top)

    def _grid(self, area: Area, frame: Frame) -> None:
        top = self.axis.top
        verticals = [[(at, 0), (at, top)] for at in frame.large]
        levels = [[(frame.start, level), (frame.end, level)] for level in self.axis.ticks[1:]]
        area.lines(verticals + levels, style.GRID, 1, zorder=1)
        # Two pixels of which the border cuts off the lower.
        area.lines([[(frame.start, 0), (frame.end, 0)]], style.AXIS, 2, zorder=4)

    def _label(self, sheet: Sheet, frame: Frame, *, measured: bool) -> None:
        y = self.top - 9
        name = NAMES[self.metric]
        sheet.text((frame.left, y), name, HEADING)
        if not measured:
            sheet.text((frame.left + frame.width / 2, self.top + self.height / 2), "no result", MIDDLE)
        if measured or self.sold:
            after = frame.left + sheet.width_of(name, HEADING) + 6
            sheet.text((after, y), self.axis.unit, Pen(style.TEXT_SIZE, style.QUIET))
            for tick in self.axis.ticks:
                sheet.text((frame.left - 8, self._y(tick) + 4), round_number(tick / self.axis.divisor), LABEL)

    def _plan(self, sheet: Sheet, frame: Frame) -> None:
        if self.sold is None:
            return
        y = self._y(self.sold)
        right = frame.left + frame.width
        sheet.rules([((frame.left, y), (right, y))], style.PLAN, "--")
        sheet.text((right + 6, y + 4), f"plan {round_number(self.sold / self.axis.divisor)}", PLAN)

    def _off_scale(self, sheet: Sheet, area: Area, frame: Frame, tracks: Sequence[Track]) -> None:
        points = [point for track in tracks for point in _points(track.segments[self.metric])]
        beyond = [point for point in points if point[1] > self.axis.top]
        if not beyond:
            return
        area.marks([(at, self.axis.top) for at, _ in beyond], "^", style.METRICS[self.metric], 7)
        highest = number(max(value for _, value in beyond) / self.axis.divisor)
        words = f"▲ {len(beyond):,} above the scale, highest {highest} {self.axis.unit}"
        sheet.text((frame.left + frame.width, self.top - 9), words, NOTE)


def draw_bands(area: Area, frame: Frame, tracks: Sequence[Track], top: float) -> None:
    """Shade the failures of all tracks over the whole height, each at least a pixel wide."""
    spans = [(band.start, min(band.end, frame.end)) for track in tracks for band in track.bands]
    boxes = [[(start, 0), (start, top), (end, top), (end, 0)] for start, end in spans]
    area.shapes(boxes, style.BAND, edge=1, alpha=1, zorder=0.5)


def draw_line(area: Area, frame: Frame, segments: Sequence[Segment], color: str, dash: Dash = "-") -> None:
    """Draw each segment as a line of its own; crowded ones as median and envelope."""
    if frame.bucket is None:
        joined = [list(zip(part.times, part.values, strict=True)) for part in segments]
    else:
        thinned = [envelope(part, frame.bucket) for part in segments]
        area.shapes(list(map(_outline, thinned)), color, edge=0.5, alpha=style.ENVELOPE_ALPHA, zorder=2)
        joined = [list(zip(part.times, part.middle, strict=True)) for part in thinned]
    area.lines(joined, color, 1.5, zorder=3, dash=dash)
    dots = [point for points in joined if _needs_dots(points, frame) for point in points]
    area.marks(dots, "o", color, 5 if frame.bucket is None else 2.5)


def _outline(part: Envelope) -> list[tuple[float, float]]:
    return [*zip(part.times, part.low, strict=True), *zip(part.times[::-1], part.high[::-1], strict=True)]


def _needs_dots(points: Sequence[tuple[float, float]], frame: Frame) -> bool:
    pixels = (points[-1][0] - points[0][0]) / frame.seconds_per_pixel
    roomy = frame.bucket is None and pixels >= DOT_FROM_PIXELS * (len(points) - 1)
    return roomy or pixels < LONE_PIXELS


def _points(segments: Sequence[Segment]) -> list[tuple[float, float]]:
    return [point for part in segments for point in zip(part.times, part.values, strict=True)]
