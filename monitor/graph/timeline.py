"""The time axis that the panels of a graph share: frame and ticks; and the notes in the footer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.graph import style
from monitor.graph.envelope import bucket_width
from monitor.graph.panel import Frame
from monitor.graph.sheet import Pen
from monitor.graph.ticks import ticks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from monitor.graph.data import Window
    from monitor.graph.sheet import Sheet
    from monitor.graph.ticks import Tick
    from monitor.graph.track import Track

TICK = Pen(style.SMALL_SIZE, style.INK, align="center")
CONTEXT = Pen(style.SMALL_SIZE, style.QUIET, align="center")
FOOT = Pen(style.SMALL_SIZE - 1, style.QUIET)


def frame_of(
    canvas: Sheet, all_series: Sequence[Track], window: Window, zone: ZoneInfo, right: float = style.RIGHT
) -> tuple[Frame, tuple[Tick, ...]]:
    """Return the frame of panels as wide as the canvas, and the ticks that get a label."""
    start, end = window.span
    width = canvas.width - style.LEFT - right
    large, small = ticks(window, zone, int(width // style.TICK_PIXELS))
    most_runs = max((len(series.runs) for series in all_series), default=0)
    instants = tuple(tick.at for tick in large)
    return Frame(start, end, style.LEFT, width, instants, small, bucket_width(most_runs, end - start, width)), large


def draw_time_axis(canvas: Sheet, frame: Frame, labelled: Sequence[Tick], bottom: float) -> None:
    """Draw the ticks below the lowest panel."""
    lengths = dict.fromkeys(frame.small, 3) | {tick.at: 6 for tick in labelled}
    canvas.rules(
        [((frame.x(at), bottom), (frame.x(at), bottom + length)) for at, length in lengths.items()], style.AXIS
    )
    for tick in labelled:
        x = frame.x(tick.at)
        canvas.text((x, bottom + 19), tick.label, TICK)
        canvas.text((x, bottom + 35), tick.context, CONTEXT)


def draw_footer(canvas: Sheet, parts: Sequence[str]) -> float:
    """Write the notes on how to read the graph in the footer; return the y of its top."""
    lines = canvas.wrap(parts, " ", FOOT, canvas.width - 2 * style.EDGE)
    top = canvas.height - 12 - style.FOOTER_LINE * len(lines)
    for index, line in enumerate(lines, start=1):
        canvas.text((style.EDGE, top + style.FOOTER_LINE * index), line, FOOT)
    return top
