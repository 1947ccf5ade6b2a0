"""How long the line was down, as far as the tests saw it. Pure; times are epoch seconds, lengths seconds.

An outage counts within the window, and only while the line was watched: a pause of the tests is neither up nor down.
An outage that has not ended counts to the end of the last test. Overlapping outages of several paths or probes are one.
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
    """The number of outages (`ongoing` of them have not ended), the time down of the time watched, and the longest."""

    outages: int
    ongoing: int
    down_s: float
    watched_s: float
    longest_s: float

    @property
    def available_pct(self) -> float | None:
        """The share of the time watched in which the line was up; None when nothing was watched."""
        return 100 * (1 - self.down_s / self.watched_s) if self.watched_s else None


def downtime(incidents: Iterable[Incident], watched: Watch, window: Window) -> Downtime:
    """Add up the incidents that overlap a window."""
    spans_by_incident = [(incident, span(incident, watched, window)) for incident in incidents]
    inside = [(incident, part) for incident, part in spans_by_incident if part]
    spans = list(merged(part for _, part in inside))
    lengths = [out(outage, watched) for outage in spans]
    return Downtime(
        outages=len(spans),
        # All that have not ended end with the last test, so that they are merged into one.
        ongoing=int(any(incident.ended is None for incident, _ in inside)),
        down_s=sum(lengths),
        watched_s=watched.total_s,
        longest_s=max(lengths, default=0.0),
    )


def out(outage: Span, watched: Watch) -> float:
    """Return how many seconds of an outage were watched."""
    return length(common([outage], watched.spans))


def span(incident: Incident, watched: Watch, window: Window) -> Span | None:
    """Return the part of an incident within the window, up to the last test if it has not ended; None if outside."""
    start, end = window.span
    last = watched.spans[-1][1] if watched.spans else start
    began, ended = incident.began.timestamp(), incident.ended.timestamp() if incident.ended else last
    return (max(start, began), min(end, ended)) if began < end and ended > start else None
