"""The compare graph: paths, probes or engines side by side."""

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


def draw_compare(canvas: Sheet, all_series: Sequence[Track], window: Window, context: Terms) -> None:
    """Draw a row of bars for each group, and below them download and upload of the first four over time."""
    runs, counts = joined([series.runs for series in all_series], SPEED), tally(all_series)
    group_list = groups(runs, ways([sort for sort, _ in runs.counts()]))
    # The namespace comes first: the others are compared with it.
    ordered = sorted(group_list, key=lambda group: group.attributes.path is not Path.IP4ONLY)
    facts = (words.window_words(window, context.zone), words.source_words(counts, all_series))
    top = draw_title(canvas, f"{context.title}: side by side", facts) + style.LINE
    lines = [series for group in ordered[:MOST_LINES] for series in tracks(group.runs, window)]
    frame, labelled = frame_of(canvas, lines, window, context.zone)
    omitted_note = f"Lines: the {MOST_LINES} with the most results." if len(ordered) > MOST_LINES else ""
    parts = (*bars.READING, *reading(frame, lines), _against_first(ordered), omitted_note, words.doubt_words(counts))
    foot = draw_footer(canvas, parts)
    if not ordered:
        canvas.text((canvas.width / 2, (top + foot) / 2), "no result", NOTHING)
        return
    lines_by_metric = {metric: promises(all_series, metric, context.plan, window.span[0]) for metric in SPEED}
    box = Box(style.EDGE, top, canvas.width - 2 * style.EDGE, (foot - top) * SHARE_OF_BARS)
    top = bars.draw(canvas, box, ordered, {metric: newest(ordered) for metric, ordered in lines_by_metric.items()}) + 4
    height = (foot - style.LABELS - top) / 2 - style.PANEL_TITLE
    for index, metric in enumerate((Metric.DOWNLOAD, Metric.UPLOAD)):
        place = top + style.PANEL_TITLE + index * (height + style.PANEL_TITLE)
        axis = scale(metric, values(lines, metric), highest(lines_by_metric[metric]))
        Panel(metric, axis, place, height, lines_by_metric[metric]).draw(canvas, frame, lines)
        draw_key(canvas, (frame.left + 170, place - 9), metric, [group.name for group in ordered[:MOST_LINES]])
    draw_time_axis(canvas, frame, labelled, top + 2 * (height + style.PANEL_TITLE))


def _against_first(ordered: Sequence[Group]) -> str:
    """Return the median download of each other group as a percentage of that of the first."""
    medians = [(group.name, spread.median) for group in ordered if (spread := group.spreads[Metric.DOWNLOAD])]
    if len(medians) < 2 or not medians[0][1]:  # noqa: PLR2004  two to compare
        return ""
    (first, reference), *others = medians
    shares = ", ".join(f"{name} {100 * median / reference:.0f} %" for name, median in others[: MOST_LINES - 1])
    return f"Median download compared with {first}: {shares}."
