"""The servers graph: for each server and ISP the percentiles, and the distribution of speeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.columns import joined
from monitor.graph import bars, style, words
from monitor.graph.box import Box
from monitor.graph.data import SPEED, Metric
from monitor.graph.distribution import draw_shares
from monitor.graph.groups import by_server, groups
from monitor.graph.header import draw_title
from monitor.graph.key import MOST_LINES, ROW, draw_key
from monitor.graph.promise import levels, newest, promises
from monitor.graph.sheet import Pen
from monitor.graph.stats import tally
from monitor.graph.timeline import draw_footer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.graph.data import Window
    from monitor.graph.groups import Group
    from monitor.graph.promise import Promise
    from monitor.graph.sheet import Sheet
    from monitor.graph.terms import Terms
    from monitor.graph.track import Track

NOTHING = Pen(style.TEXT_SIZE + 4, style.QUIET, align="center")
SHARE_OF_BARS = 0.6
READING = "Curves: the percentage of tests at or below each speed."


def draw_servers(canvas: Sheet, all_series: Sequence[Track], window: Window, context: Terms) -> None:
    """Draw a row for each server and ISP, most used first, and the distributions of the first four."""
    runs = joined([series.runs for series in all_series], SPEED)
    group_list, counts = groups(runs, by_server), tally(all_series)
    facts = (words.window_words(window, context.zone), words.source_words(counts, all_series))
    top = draw_title(canvas, f"{context.title}: by server and ISP", facts) + style.LINE
    nameless = len(runs) - sum(len(group.runs) for group in group_list)
    parts = (*bars.READING, READING, _not_shown(len(group_list)), _nameless(nameless), words.doubt_words(counts))
    foot = draw_footer(canvas, parts)
    if not group_list:
        canvas.text((canvas.width / 2, (top + foot) / 2), "no result", NOTHING)
        return
    box = Box(style.EDGE, top, canvas.width - 2 * style.EDGE, (foot - top) * SHARE_OF_BARS)
    lines_by_metric = {metric: promises(all_series, metric, context.plan, window.span[0]) for metric in SPEED}
    end = (
        bars.draw(canvas, box, group_list, {metric: newest(promised) for metric, promised in lines_by_metric.items()})
        + 24
    )
    _draw_curves(canvas, box._replace(top=end, height=foot - end), group_list[:MOST_LINES], lines_by_metric)


def _draw_curves(
    canvas: Sheet, box: Box, group_list: Sequence[Group], lines_by_metric: Mapping[Metric, Sequence[Promise]]
) -> None:
    width = box.width / 2
    for index, metric in enumerate((Metric.DOWNLOAD, Metric.UPLOAD)):
        # The legend is below the axis numbers, where no plan line crosses it.
        key = 8 + ROW * len(group_list)
        place = Box(box.left + 46 + index * width, box.top + 12, width - 70, box.height - 12 - key)
        draw_shares(
            canvas, place, metric, [group.values(metric) for group in group_list], levels(lines_by_metric[metric])
        )
        at, names = (place.left, place.bottom + ROW), [group.name for group in group_list]
        draw_key(canvas, at, metric, names, room=place.width)


def _not_shown(count: int) -> str:
    return f"The {bars.MOST} with the most results of {count:,}." if count > bars.MOST else ""


def _nameless(count: int) -> str:
    return f"{count:,} runs ended before a server was known." if count else ""
