"""Outages of the line: failed runs in a row with scope `line`, from the first failure to the next success.

The rule stands here once, for runs as objects (`find_incidents`) and as columns (`availability.find_outages`). Runs
that say nothing about the line (skipped, interrupted, or failed with another scope) neither begin nor end an outage.
Also here: arithmetic on spans of time. Pure and light: no NumPy.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  annotations are read at run time
from typing import TYPE_CHECKING

from monitor.model import FailureKind, NetworkPath, Run, Scope, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Start and end, in epoch seconds.
TimeSpan = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Incident:
    """One outage as seen by the tests; an object of `incidents --json`.

    `began` is the start of the first failed test, `ended` that of the next good one, `length_s` the seconds between
    (both None while it is ongoing). `kind` is the most frequent kind of failure, `message` that of the first run,
    `failures` the number of failed runs.
    """

    probe: str
    path: NetworkPath
    began: datetime
    ended: datetime | None
    length_s: int | None
    kind: FailureKind
    message: str
    failures: int


def begins_outage(status: Status, scope: Scope | None) -> bool:
    """Return whether a run with this status and scope of failure begins an outage, or continues one."""
    return status is Status.FAILED and scope is Scope.LINE


def ends_outage(status: Status) -> bool:
    """Return whether a run with this status ends an outage; a doubtful result does too."""
    return status is Status.OK


def find_incidents(runs: Iterable[Run]) -> Iterator[Incident]:
    """Yield the outages in runs given oldest first: each when it ends, then the ongoing ones, oldest first."""
    ongoing: dict[tuple[str, NetworkPath], _OpenIncident] = {}
    for run in runs:
        source = (run.probe, run.path)
        if ends_outage(run.status) and source in ongoing:
            yield ongoing.pop(source).close(run)
        elif run.failure and begins_outage(run.status, run.failure.scope):
            ongoing.setdefault(source, _OpenIncident(run)).kinds[run.failure.kind] += 1
    yield from (incident.close(None) for incident in ongoing.values())


@dataclass(slots=True)
class _OpenIncident:
    first: Run
    kinds: Counter[FailureKind] = field(default_factory=Counter)

    def close(self, end: Run | None) -> Incident:
        began, ended = self.first.started_at, end.started_at if end else None
        return Incident(
            probe=self.first.probe,
            path=self.first.path,
            began=began,
            ended=ended,
            length_s=round((ended - began).total_seconds()) if ended else None,
            kind=self.kinds.most_common(1)[0][0],
            message=self.first.failure.message if self.first.failure else "",
            failures=self.kinds.total(),
        )


def merge_spans(spans: Iterable[TimeSpan]) -> list[TimeSpan]:
    """Return the union of spans, ascending; none of them touches another."""
    merged: list[TimeSpan] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def intersect_spans(spans: Iterable[TimeSpan], others: Sequence[TimeSpan]) -> list[TimeSpan]:
    """Return the intersection of spans with others, which ascend and do not touch each other."""
    starts, ends = [start for start, _ in others], [end for _, end in others]
    overlapping = ((span, others[bisect_right(ends, span[0]) : bisect_left(starts, span[1])]) for span in spans)
    return [(max(start, a), min(end, b)) for (start, end), overlaps in overlapping for a, b in overlaps]


def total_length(spans: Iterable[TimeSpan]) -> float:
    """Return the total length, in seconds, of spans that do not overlap."""
    return sum(end - start for start, end in spans)
