"""Outages of the line: from the first failed run with scope `line` to the first proof that the line works again.

`line_state` says what one run proves of the line, and `OutageTracker` joins the states to outages. Everything that
counts outages uses these two: streams of runs (`find_incidents`) and columns (`availability.find_outage_spans`).
`counts_in_shares` says which runs a share of "ok" counts. Also here: arithmetic on spans of time. Pure and light: no
NumPy.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  annotations are read at run time
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from monitor.model import FailureKind, NetworkPath, Run, Scope, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.model import Trace
    from netns.probe.findings import Findings

# Start and end, in epoch seconds.
TimeSpan = tuple[float, float]

# Kinds of failure that only a distant server can cause: its answer came back over the line.
ANSWERED_KINDS = frozenset({FailureKind.RATE_LIMITED, FailureKind.PROVIDER_DOWN, FailureKind.SERVER_GONE})

# Failures with these scopes say nothing of the line.
OWN_SCOPES = frozenset({Scope.CONFIG, Scope.LOCAL})

# A test that received so many bytes of payload received them over the line: a router sends less, even with its errors.
PROVING_BYTES = 20_000

# Errors of a look-up that a name server answered.
_DNS_ANSWERS = frozenset({None, "NXDOMAIN", "SERVFAIL", "REFUSED"})

Item = TypeVar("Item")


class LineState(Enum):
    """What a run proves of the line: that it works, that it does not, or nothing."""

    UP = "up"
    DOWN = "down"
    SILENT = "silent"


def line_state(
    status: Status, scope: Scope | None, kind: FailureKind | None = None, *, answered: bool | None = None
) -> LineState:
    """Return what a run proves of the line.

    Args:
        status: how it ended; a doubtful result is a success too.
        scope: whose fault its failure is.
        kind: what failed.
        answered: whether packets came back over the line while it failed; None: not known.
    """
    if status is Status.OK:
        return LineState.UP
    if status is not Status.FAILED or scope in OWN_SCOPES:
        return LineState.SILENT
    if scope is Scope.LINE:
        return LineState.DOWN
    proven = scope is Scope.PROVIDER or kind in ANSWERED_KINDS or bool(answered)
    return LineState.UP if proven else LineState.SILENT


def run_state(run: Run) -> LineState:
    """Return what a run proves of the line; one that was excluded proves nothing."""
    if run.excluded is not None:
        return LineState.SILENT
    scope, kind = (run.failure.scope, run.failure.kind) if run.failure else (None, None)
    return line_state(run.status, scope, kind, answered=run.line_answered)


def counts_in_shares(status: Status, scope: Scope | None) -> bool:
    """Return whether a share of "ok" counts a run: no run that was skipped or cut off, or failed by this machine."""
    return status is Status.OK or (status is Status.FAILED and scope not in OWN_SCOPES)


def answered_over_line(findings: Findings | None, trace: Trace | None) -> bool | None:
    """Return whether packets came back over the line during a failed test or its diagnosis; None: not known.

    Proof are a host beyond the router that answered, a name server there that did, and the bytes of the test.
    """
    received = sum(sample[0] for sample in trace.samples) if trace else 0
    if received >= PROVING_BYTES:
        return True
    if findings is None:
        return None
    # A diagnosis that names its proofs has judged them; others are judged by their answers.
    if findings.verdict is not None:
        return bool(findings.verdict.proofs)
    hosts = (*findings.hosts, *findings.far, *findings.direct)
    name_servers = (server for server in findings.servers if server.error in _DNS_ANSWERS)
    return any(host.ok for host in hosts) or any(_is_remote(server.target) for server in name_servers)


def _is_remote(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class OutageRuns(Generic[Item]):
    """The runs at the edges of an outage; None: there is none, before it or so far."""

    last_good: Item | None
    first_failed: Item
    last_failed: Item
    first_good: Item | None


class OutageTracker(Generic[Item]):
    """Finds outages in the runs of one probe over one path, which are added oldest first."""

    def __init__(self) -> None:
        self._last_good: Item | None = None
        self._failed: tuple[Item, Item] | None = None

    def add(self, state: LineState, run: Item) -> OutageRuns[Item] | None:
        """Add a run; return the outage that it ends, if any."""
        if state is LineState.SILENT:
            return None
        if state is LineState.DOWN:
            self._failed = (self._failed[0] if self._failed else run, run)
            return None
        ended = self._outage(run)
        self._last_good, self._failed = run, None
        return ended

    @property
    def ongoing(self) -> OutageRuns[Item] | None:
        """The outage that has not ended, if any."""
        return self._outage(None)

    def _outage(self, first_good: Item | None) -> OutageRuns[Item] | None:
        return OutageRuns(self._last_good, *self._failed, first_good) if self._failed else None


@dataclass(frozen=True, slots=True)
class Incident:
    """One outage as seen by the tests; an object of `incidents --json`.

    `began` is the start of the first failed test, `ended` that of the first test that proves that the line works again,
    `length_s` the seconds between (both None while it is ongoing). `kind` is the most frequent kind of failure,
    `message` that of the first run, `failures` the number of failed runs.

    The last four are the starts of the tests at its edges. The line went down between `last_good` and `first_failed`,
    and came back between `last_failed` and `first_good`; None: no such test.
    """

    probe: str
    path: NetworkPath
    began: datetime
    ended: datetime | None
    length_s: int | None
    kind: FailureKind
    message: str
    failures: int
    last_good: datetime | None = None
    first_failed: datetime | None = None
    last_failed: datetime | None = None
    first_good: datetime | None = None


def find_incidents(runs: Iterable[Run]) -> Iterator[Incident]:
    """Yield the outages in runs given oldest first: each when it ends, then the ongoing ones, oldest first."""
    sources: dict[tuple[str, NetworkPath], _SourceIncidents] = {}
    for run in runs:
        state = run_state(run)
        if state is not LineState.SILENT:
            incident = sources.setdefault((run.probe, run.path), _SourceIncidents()).add(state, run)
            if incident:
                yield incident
    ongoing = (incident for source in sources.values() if (incident := source.ongoing()))
    yield from sorted(ongoing, key=lambda incident: incident.began)


@dataclass(slots=True)
class _SourceIncidents:
    """The incidents of one probe over one path, with the kinds of failure of the current one."""

    tracker: OutageTracker[Run] = field(default_factory=OutageTracker)
    kinds: Counter[FailureKind] = field(default_factory=Counter)

    def add(self, state: LineState, run: Run) -> Incident | None:
        if state is LineState.DOWN:
            self.kinds[run.failure.kind if run.failure else FailureKind.UNKNOWN] += 1
        edges = self.tracker.add(state, run)
        incident = self._to_incident(edges) if edges else None
        if incident:
            self.kinds.clear()
        return incident

    def ongoing(self) -> Incident | None:
        edges = self.tracker.ongoing
        return self._to_incident(edges) if edges else None

    def _to_incident(self, edges: OutageRuns[Run]) -> Incident:
        first = edges.first_failed
        began, ended = first.started_at, edges.first_good.started_at if edges.first_good else None
        return Incident(
            probe=first.probe,
            path=first.path,
            began=began,
            ended=ended,
            length_s=round((ended - began).total_seconds()) if ended else None,
            kind=self.kinds.most_common(1)[0][0],
            message=first.failure.message if first.failure else "",
            failures=self.kinds.total(),
            last_good=edges.last_good.started_at if edges.last_good else None,
            first_failed=began,
            last_failed=edges.last_failed.started_at,
            first_good=ended,
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
