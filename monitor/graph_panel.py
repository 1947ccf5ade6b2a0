"""One panel of a graph: a metric over time, with bands of failure, the plan, and marks for what is off the scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.collections import LineCollection, PolyCollection

from monitor import graph_stats
from monitor import graph_style as style
from monitor.graph_envelope import envelope
from monitor.graph_scale import Scale, scale
from monitor.graph_sheet import POINTS, Pen
from monitor.graph_words import NAMES, number, round_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from monitor.graph_data import Metric, Segment, Track
    from monitor.graph_sheet import Sheet

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

    def axes(self, sheet: Sheet, top: float, height: float) -> Axes:
        """Return axes that span the window; y runs from 0 at the bottom to 1."""
        axes = sheet.axes(self.left, top, self.width, height)
        axes.set(xlim=(self.start, self.end), ylim=(0, 1), autoscale_on=False)
        return axes


def colors(metric: Metric, count: int) -> tuple[str, ...]:
    """Return a colour for each of `count` tracks; the first is the metric's own."""
    return tuple((style.METRICS[metric], *style.OTHER_TRACKS)[index % 4] for index in range(count))


def axis_of(metric: Metric, tracks: Sequence[Track], sold: float | None) -> Scale:
    """Return the y axis that suits all tracks and the plan."""
    return scale(metric, graph_stats.values(tracks, metric), sold)


@dataclass(frozen=True, slots=True)
class Panel:
    """A metric with its y axis and its place on the sheet."""

    metric: Metric
    axis: Scale
    top: float
    height: float
    sold: float | None

    def draw(self, sheet: Sheet, frame: Frame, tracks: Sequence[Track]) -> Axes:
        """Draw the panel and return its axes, in the unit of the metric."""
        axes = frame.axes(sheet, self.top, self.height)
        axes.set_ylim(0, self.axis.top)
        draw_bands(axes, frame, tracks)
        self._grid(axes, frame)
        for track, color in zip(tracks, colors(self.metric, len(tracks)), strict=True):
            draw_line(axes, frame, track.segments[self.metric], color)
        self._label(sheet, frame, measured=any(track.segments[self.metric] for track in tracks))
        self._plan(sheet, frame)
        self._off_scale(sheet, axes, frame, tracks)
        return axes

    def _y(self, value: float) -> float:
        return self.top + self.height * (1 - value / self.axis.top)

    def _grid(self, axes: Axes, frame: Frame) -> None:
        top = self.axis.top
        verticals = [[(at, 0), (at, top)] for at in frame.large]
        levels = [[(frame.start, level), (frame.end, level)] for level in self.axis.ticks[1:]]
        axes.add_collection(_lines(verticals + levels, style.GRID, 1, zorder=1), autolim=False)
        base = [[(frame.start, 0), (frame.end, 0)]]
        axes.add_collection(_lines(base, style.AXIS, 1, zorder=4), autolim=False).set_clip_on(False)

    def _label(self, sheet: Sheet, frame: Frame, *, measured: bool) -> None:
        y = self.top - 9
        name = sheet.text((frame.left, y), NAMES[self.metric], HEADING)
        if not measured:
            sheet.text((frame.left + frame.width / 2, self.top + self.height / 2), "no result", MIDDLE)
        if measured or self.sold:
            sheet.text((frame.left + name + 6, y), self.axis.unit, Pen(style.TEXT_SIZE, style.QUIET))
            for tick in self.axis.ticks:
                sheet.text((frame.left - 8, self._y(tick) + 4), round_number(tick / self.axis.divisor), LABEL)

    def _plan(self, sheet: Sheet, frame: Frame) -> None:
        if self.sold is None:
            return
        y = self._y(self.sold)
        right = frame.left + frame.width
        sheet.rule((frame.left, y), (right, y), style.PLAN, dash="--")
        sheet.text((right + 6, y + 4), f"plan {round_number(self.sold / self.axis.divisor)}", PLAN)

    def _off_scale(self, sheet: Sheet, axes: Axes, frame: Frame, tracks: Sequence[Track]) -> None:
        points = [point for track in tracks for point in _points(track.segments[self.metric])]
        beyond = [point for point in points if point[1] > self.axis.top]
        if not beyond:
            return
        times = [at for at, _ in beyond]
        heights = [self.axis.top] * len(beyond)
        axes.plot(times, heights, "^", color=style.METRICS[self.metric], markersize=6 * POINTS, clip_on=False, zorder=5)
        highest = number(max(value for _, value in beyond) / self.axis.divisor)
        words = f"▲ {len(beyond):,} above the scale, highest {highest} {self.axis.unit}"
        sheet.text((frame.left + frame.width, self.top - 9), words, NOTE)


def draw_bands(axes: Axes, frame: Frame, tracks: Sequence[Track]) -> None:
    """Shade the failures of all tracks over the whole height, each at least a pixel wide."""
    top = axes.get_ylim()[1]
    spans = [(band.start, min(band.end, frame.end)) for track in tracks for band in track.bands]
    boxes = [[(start, 0), (start, top), (end, top), (end, 0)] for start, end in spans]
    shade = PolyCollection(boxes, facecolors=style.BAND, edgecolors=style.BAND, linewidths=POINTS, zorder=0)
    axes.add_collection(shade, autolim=False)


def draw_line(axes: Axes, frame: Frame, segments: Sequence[Segment], color: str) -> None:
    """Draw each segment as a line of its own; crowded ones as median and envelope."""
    if frame.bucket is None:
        joined = [list(zip(part.times, part.values, strict=True)) for part in segments]
    else:
        joined = _draw_envelopes(axes, segments, frame.bucket, color)
    axes.add_collection(_lines(joined, color, 1.5, zorder=3), autolim=False)
    dots = [point for points in joined if _needs_dots(points, frame) for point in points]
    if dots:
        times, values = zip(*dots, strict=True)
        size = 5 if frame.bucket is None else 2.5
        axes.plot(times, values, "o", color=color, markersize=size * POINTS, markeredgewidth=0, zorder=3)


def _draw_envelopes(
    axes: Axes, segments: Sequence[Segment], bucket: int, color: str
) -> list[list[tuple[float, float]]]:
    thinned = [envelope(part, bucket) for part in segments]
    outlines = [
        [*zip(part.times, part.low, strict=True), *zip(part.times[::-1], part.high[::-1], strict=True)]
        for part in thinned
    ]
    # The thin edge keeps a segment in view that is narrower than a pixel.
    shade = PolyCollection(outlines, color=color, alpha=style.ENVELOPE_ALPHA, linewidths=0.5 * POINTS, zorder=2)
    axes.add_collection(shade, autolim=False)
    return [list(zip(part.times, part.middle, strict=True)) for part in thinned]


def _needs_dots(points: Sequence[tuple[float, float]], frame: Frame) -> bool:
    pixels = (points[-1][0] - points[0][0]) / frame.seconds_per_pixel
    roomy = frame.bucket is None and pixels >= DOT_FROM_PIXELS * (len(points) - 1)
    return roomy or pixels < LONE_PIXELS


def _points(segments: Sequence[Segment]) -> list[tuple[float, float]]:
    return [point for part in segments for point in zip(part.times, part.values, strict=True)]


def _lines(joined: Sequence[Sequence[tuple[float, float]]], color: str, pixels: float, zorder: float) -> LineCollection:
    return LineCollection(joined, colors=color, linewidths=pixels * POINTS, zorder=zorder)
