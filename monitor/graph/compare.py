"""Draw ways of measuring side by side: the namespace against the host, probe against probe, engine against engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.columns import joined
from monitor.graph import bars, style, words
from monitor.graph.box import Box
from monitor.graph.data import SPEED, Metric
from monitor.graph.groups import groups, ways
from monitor.graph.header import draw_title
from monitor.graph.key import MOST_LINES, draw_key
from monitor.graph.panel import Panel
from monitor.graph.picture import reading
from monitor.graph.promise import highest, newest, promises
from monitor.graph.scale import scale
from monitor.graph.servers import NOTHING
from monitor.graph.stats import tally, values
from monitor.graph.timeline import draw_footer, draw_time_axis, frame_of
from monitor.graph.track import tracks
from monitor.model import Path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.graph.data import Window
    from monitor.graph.groups import Group
    from monitor.graph.sheet import Sheet
    from monitor.graph.terms import Terms
    from monitor.graph.track import Track

SHARE_OF_BARS = 0.42


def draw_compare(sheet: Sheet, found: Sequence[Track], window: Window, terms: Terms) -> None:
    """Draw a row of bars for each way, and below them download and upload of the first four over time."""
    together, counted = joined([track.runs for track in found], SPEED), tally(found)
    found_ways = groups(together, ways([sort for sort, _ in together.counts()]))
    # The namespace's way first: the others are held against it.
    each = sorted(found_ways, key=lambda group: group.sort.path is not Path.IP4ONLY)
    facts = (words.window_words(window, terms.zone), words.source_words(counted, found))
    top = draw_title(sheet, f"{terms.title}: side by side", facts) + style.LINE
    lines = [track for group in each[:MOST_LINES] for track in tracks(group.runs, window)]
    frame, labelled = frame_of(sheet, lines, window, terms.zone)
    more = f"Lines: the {MOST_LINES} with the most results." if len(each) > MOST_LINES else ""
    parts = (*bars.READING, *reading(frame, lines), _against_first(each), more, words.doubt_words(counted))
    foot = draw_footer(sheet, parts)
    if not each:
        sheet.text((sheet.width / 2, (top + foot) / 2), "no result", NOTHING)
        return
    sold = {metric: promises(found, metric, terms.plan, window.span[0]) for metric in SPEED}
    box = Box(style.EDGE, top, sheet.width - 2 * style.EDGE, (foot - top) * SHARE_OF_BARS)
    top = bars.draw(sheet, box, each, {metric: newest(each) for metric, each in sold.items()}) + 4
    height = (foot - style.LABELS - top) / 2 - style.PANEL_TITLE
    for index, metric in enumerate((Metric.DOWNLOAD, Metric.UPLOAD)):
        place = top + style.PANEL_TITLE + index * (height + style.PANEL_TITLE)
        axis = scale(metric, values(lines, metric), highest(sold[metric]))
        Panel(metric, axis, place, height, sold[metric]).draw(sheet, frame, lines)
        draw_key(sheet, (frame.left + 170, place - 9), metric, [group.name for group in each[:MOST_LINES]])
    draw_time_axis(sheet, frame, labelled, top + 2 * (height + style.PANEL_TITLE))


def _against_first(each: Sequence[Group]) -> str:
    """Say how the median download of each further way stands to the first one."""
    medians = [(group.name, spread.median) for group in each if (spread := group.spreads[Metric.DOWNLOAD])]
    if len(medians) < 2 or not medians[0][1]:  # noqa: PLR2004  two to compare
        return ""
    (first, whole), *others = medians
    shares = ", ".join(f"{name} {100 * median / whole:.0f} %" for name, median in others[: MOST_LINES - 1])
    return f"Median download against {first}: {shares}."
