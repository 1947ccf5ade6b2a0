"""Draw stored runs as one PNG: download, upload and latency over a true time axis, every failure in view.

`render` is pure apart from the fonts it reads: the same runs, window and zone give the same bytes. Callers that draw
many pictures in one process call `gc.collect()` after each: a figure is a cycle and about 5 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from monitor.graph import style
from monitor.graph.data import Metric, Window, tracks
from monitor.graph.envelope import bucket_width
from monitor.graph.header import draw_tiles, draw_title, tiles_height
from monitor.graph.panel import Frame, Panel, axis_of
from monitor.graph.rows import CHANGE, draw_changes, draw_rows, labelled_changes, mark_rows, place_labels
from monitor.graph.sheet import Pen, Sheet
from monitor.graph.stats import tally
from monitor.graph.ticks import ticks
from monitor.graph.words import bucket_words, server_words, source_words, window_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from monitor.graph.data import Track
    from monitor.graph.ticks import Tick
    from monitor.model import Plan, Run

__all__ = ["Terms", "Window", "draw", "render"]

# Set for each picture, so that nobody's matplotlibrc changes it. Names from the network are never read as formulas.
RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "text.parse_math": False,
    "text.usetex": False,
    "text.hinting": "no_autohint",
}
KEPT = frozenset({"backend", "interactive", "timezone"})
TICK = Pen(style.SMALL_SIZE, style.INK, align="center")
CONTEXT = Pen(style.SMALL_SIZE, style.QUIET, align="center")
FOOT = Pen(style.SMALL_SIZE - 1, style.QUIET)


def render(  # noqa: PLR0913  all but the first four have defaults, and the web page and the command line set them by name
    runs: Iterable[Run],
    window: Window,
    *,
    zone: ZoneInfo,
    plan: Plan,
    size: tuple[int, int] = style.SIZE,
    scale: float = 1.0,
    title: str = "Internet speed",
) -> bytes:
    """Return a PNG of `size` pixels, or of so many times `scale` for print, where text and lines grow along.

    Raises:
        ValueError: the size is smaller than `style.SMALLEST`.
    """
    if any(given < least for given, least in zip(size, style.SMALLEST, strict=True)):
        raise ValueError(f"a graph of {size} pixels is smaller than {style.SMALLEST}")
    with mpl.rc_context():
        mpl.rcParams.update({key: value for key, value in mpl.rcParamsDefault.items() if key not in KEPT} | RC)
        sheet = Sheet(*size, scale)
        draw(sheet, tracks(runs, window), window, Terms(zone, plan, title))
        return sheet.png(title)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the measurements are shown against and called."""

    zone: ZoneInfo
    plan: Plan
    title: str


def draw(sheet: Sheet, found: Sequence[Track], window: Window, terms: Terms) -> None:
    """Draw everything: header, rows of marks, panels, time axis, footer."""
    frame, labelled = _frame(sheet, found, window, terms.zone)
    changes = labelled_changes(found)
    labels, unlabelled = place_labels(changes, frame, lambda words: sheet.width_of(words, CHANGE))
    rows = mark_rows(found)
    counted = tally(found)
    facts = (window_words(window, terms.zone), source_words(counted, found), (server_words(counted),))
    tiles_top = draw_title(sheet, terms.title, facts) + style.LINE
    labels_top = tiles_top + tiles_height(sheet) + style.ROW
    rows_top = labels_top + style.ROW * (max((label.row + 1 for label in labels), default=0))
    foot = _footer(sheet, frame, unlabelled)
    panels = _panels(found, terms.plan, rows_top + style.ROWS_TITLE + style.ROW * len(rows), foot - style.LABELS)
    bottom = panels[-1].top + panels[-1].height
    draw_tiles(sheet, panels, found, counted, tiles_top)
    draw_changes(sheet, frame, changes, labels, (labels_top, bottom))
    draw_rows(sheet, frame, rows, rows_top)
    for panel in panels:
        panel.draw(sheet, frame, found)
    _time_axis(sheet, frame, labelled, bottom)


def _frame(sheet: Sheet, found: Sequence[Track], window: Window, zone: ZoneInfo) -> tuple[Frame, tuple[Tick, ...]]:
    start, end = window.span
    width = sheet.width - style.LEFT - style.RIGHT
    large, small = ticks(window, zone, int(width // style.TICK_PIXELS))
    most = max((len(track.runs) for track in found), default=0)
    instants = tuple(tick.at for tick in large)
    return Frame(start, end, style.LEFT, width, instants, small, bucket_width(most, end - start, width)), large


def _panels(found: Sequence[Track], plan: Plan, top: float, bottom: float) -> tuple[Panel, ...]:
    sold = {Metric.DOWNLOAD: plan.download_bps, Metric.UPLOAD: plan.upload_bps, Metric.LATENCY: plan.latency_ms}
    room = bottom - top - style.PANEL_TITLE * len(sold)
    panels = []
    for metric, share in style.PANEL_SHARES.items():
        top += style.PANEL_TITLE
        height = room * share / sum(style.PANEL_SHARES.values())
        panels.append(Panel(metric, axis_of(metric, found, sold[metric]), top, height, sold[metric]))
        top += height
    return tuple(panels)


def _time_axis(sheet: Sheet, frame: Frame, labelled: Sequence[Tick], bottom: float) -> None:
    lengths = dict.fromkeys(frame.small, 3) | {tick.at: 6 for tick in labelled}
    sheet.rules([((frame.x(at), bottom), (frame.x(at), bottom + length)) for at, length in lengths.items()], style.AXIS)
    for tick in labelled:
        x = frame.x(tick.at)
        sheet.text((x, bottom + 19), tick.label, TICK)
        sheet.text((x, bottom + 35), tick.context, CONTEXT)


def _footer(sheet: Sheet, frame: Frame, unlabelled: int) -> float:
    """Write how to read the picture at its foot, and return where that begins."""
    parts = [
        bucket_words(frame.bucket),
        "Shaded: from a failed test to the next success.",
        "Blank: no test ran.",
        f"Changes without room for a label: {unlabelled}." if unlabelled else "",
    ]
    lines = sheet.wrap(parts, " ", FOOT, sheet.width - 2 * style.EDGE)
    top = sheet.height - 12 - style.FOOTER_LINE * len(lines)
    for index, line in enumerate(lines, start=1):
        sheet.text((style.EDGE, top + style.FOOTER_LINE * index), line, FOOT)
    return top
