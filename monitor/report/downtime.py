"""For how long the line was out, as the tests saw it. Pure; seconds and epoch seconds.

An outage counts within the window, and only while somebody looked: a pause of the tests is neither up nor down. One
that lasts is counted to the end of the last test. What two paths or probes saw at once is one outage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.report.watch import common, length, merged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.graph.data import Window
    from monitor.incidents import Incident
    from monitor.report.watch import Span, Watch


@dataclass(frozen=True, slots=True)
class Downtime:
    """How many outages there were, for how long the line was out of the time that was watched, and the longest."""

    outages: int
    lasting: int
    out_s: float
    watched_s: float
    longest_s: float

    @property
    def available_pct(self) -> float | None:
        """Of a hundred watched seconds, those that were not out; None when nothing was watched."""
        return 100 * (1 - self.out_s / self.watched_s) if self.watched_s else None


def downtime(incidents: Iterable[Incident], watched: Watch, window: Window) -> Downtime:
    """Return the sum of incidents that fall into a window."""
    inside = [each for each in incidents if span(each, watched, window)]
    spans = list(merged(found for each in inside if (found := span(each, watched, window))))
    lengths = [length(common([each], watched.spans)) for each in spans]
    return Downtime(
        outages=len(spans),
        # Those that last all end with the last test: they are one.
        lasting=int(any(each.ended is None for each in inside)),
        out_s=sum(lengths),
        watched_s=watched.length_s,
        longest_s=max((out(each, watched) for each in spans), default=0.0),
    )


def out(found: Span, watched: Watch) -> float:
    """Return the seconds of a span that were watched."""
    return length(common([found], watched.spans))


def span(incident: Incident, watched: Watch, window: Window) -> Span | None:
    """Return the part of an incident that is within the window, None if there is none; to the last test if it lasts."""
    start, end = window.span
    last = watched.spans[-1][1] if watched.spans else start
    began, ended = incident.began.timestamp(), incident.ended.timestamp() if incident.ended else last
    return (max(start, began), min(end, ended)) if began < end and ended > start else None
