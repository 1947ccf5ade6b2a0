"""What a graph shows of runs: line segments, failure marks and bands, changes. Pure; moments are epoch seconds.

A line joins consecutive successful runs only. A failed or interrupted run ends it, a run without that number ends it,
and so does a pause much longer than the cadence around it. Skipped runs and doubtful results end nothing: a line passes
them by, and no number counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, pairwise
from operator import itemgetter
from statistics import median_low
from typing import TYPE_CHECKING

from monitor.model import Path, Scope, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from monitor.model import Plan, Run, Server

GAP_FACTOR = 2.5
CADENCE_NEIGHBOURS = 5
BROKEN = frozenset({Status.FAILED, Status.INTERRUPTED})


class Metric(StrEnum):
    """What a panel shows; the value is the field of `Run`."""

    DOWNLOAD = "download_bps"
    UPLOAD = "upload_bps"
    LATENCY = "latency_ms"
    DOWNLOAD_LATENCY = "download_latency_ms"
    UPLOAD_LATENCY = "upload_latency_ms"

    @property
    def is_rate(self) -> bool:
        """Whether more is better, in bit/s; else less is, in ms."""
        return self in {Metric.DOWNLOAD, Metric.UPLOAD}


SPEED = (Metric.DOWNLOAD, Metric.UPLOAD, Metric.LATENCY)


class Event(StrEnum):
    """What changed between two successful runs."""

    ISP = "ISP"
    SERVER = "server"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Window:
    """The time a graph spans, two aware datetimes; a run belongs to it when since <= started_at < until."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since.utcoffset() is None or self.until.utcoffset() is None:
            raise ValueError("a window needs aware datetimes")
        if self.since >= self.until:
            raise ValueError(f"a window must end after it begins: {self.since} to {self.until}")

    @property
    def span(self) -> tuple[float, float]:
        """Both ends in epoch seconds."""
        return self.since.timestamp(), self.until.timestamp()


@dataclass(frozen=True, slots=True)
class Segment:
    """Successful runs in a row: what one unbroken line joins. Values are in the unit of the metric (bit/s or ms)."""

    times: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A failed or interrupted run."""

    at: float
    scope: Scope


@dataclass(frozen=True, slots=True)
class Band:
    """Failures in a row, from the start of the first to the next success, else to the end of the last."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Change:
    """Another ISP, server or plan than in the successful run before."""

    at: float
    event: Event
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Track:
    """All runs of one probe over one path, oldest first, and what is drawn of them."""

    probe: str
    path: Path
    runs: tuple[Run, ...]
    segments: dict[Metric, tuple[Segment, ...]]
    marks: tuple[Mark, ...]
    bands: tuple[Band, ...]
    changes: tuple[Change, ...]
    doubtful: dict[Metric, tuple[tuple[float, float], ...]]
    skipped: tuple[float, ...]


def trusted(run: Run) -> bool:
    """Return whether a run has numbers that speak for the line."""
    return run.status is Status.OK and run.healthy is not False


def is_doubtful(run: Run) -> bool:
    """Return whether a run has numbers that do not: it went the wrong way, or the uplink was busy with others."""
    return run.status is Status.OK and run.healthy is False


def tracks(runs: Iterable[Run], window: Window, metrics: Sequence[Metric] = SPEED) -> tuple[Track, ...]:
    """Return one track for each probe and path that has runs in the window, by name, the namespace's path first."""
    found: dict[tuple[str, Path], list[Run]] = {}
    for run in runs:
        if window.since <= run.started_at < window.until:
            found.setdefault((run.probe, run.path), []).append(run)
    order = sorted(found, key=lambda key: (key[0], key[1] is not Path.IP4ONLY))
    return tuple(_track(*key, sorted(found[key], key=lambda run: run.started_at), metrics) for key in order)


def _track(probe: str, path: Path, runs: Sequence[Run], metrics: Sequence[Metric]) -> Track:
    times = [run.started_at.timestamp() for run in runs]
    gaps = frozenset(gaps_before(times))
    return Track(
        probe=probe,
        path=path,
        runs=tuple(runs),
        segments={metric: tuple(_segments(runs, times, gaps, metric)) for metric in metrics},
        marks=tuple(Mark(at, scope_of(run)) for at, run in zip(times, runs, strict=True) if run.status in BROKEN),
        bands=tuple(_bands(runs, times, gaps)),
        changes=tuple(_changes(runs)),
        doubtful={metric: tuple(_doubtful(runs, times, metric)) for metric in metrics},
        skipped=tuple(at for at, run in zip(times, runs, strict=True) if run.status is Status.SKIPPED),
    )


def scope_of(run: Run) -> Scope:
    """Return whose fault a failed run is."""
    return run.failure.scope if run.failure else Scope.UNKNOWN


def gaps_before(times: Sequence[float]) -> Iterator[int]:
    """Yield the index of each moment that comes much later than the cadence of its neighbours promises.

    The cadence is the lower median of the ten spacings around: one long pause cannot hide itself, and a schedule that
    changed from minutes to hours within the window is no pause.
    """
    spacings = [after - before for before, after in pairwise(times)]
    for index, spacing in enumerate(spacings):
        around = spacings[max(0, index - CADENCE_NEIGHBOURS) : index + CADENCE_NEIGHBOURS + 1]
        if spacing > GAP_FACTOR * median_low(around):
            yield index + 1


def _segments(runs: Sequence[Run], times: Sequence[float], gaps: frozenset[int], metric: Metric) -> Iterator[Segment]:
    points: list[tuple[float, float]] = []
    for index, run in enumerate(runs):
        value = getattr(run, metric) if trusted(run) else None
        ends = value is None and run.status is not Status.SKIPPED and not is_doubtful(run)
        if points and (ends or index in gaps):
            yield _segment(points)
            points = []
        if value is not None:
            points.append((times[index], value))
    if points:
        yield _segment(points)


def _segment(points: Sequence[tuple[float, float]]) -> Segment:
    return Segment(tuple(map(itemgetter(0), points)), tuple(map(itemgetter(1), points)))


def _doubtful(runs: Sequence[Run], times: Sequence[float], metric: Metric) -> Iterator[tuple[float, float]]:
    for at, run in zip(times, runs, strict=True):
        if is_doubtful(run) and (value := getattr(run, metric)) is not None:
            yield at, value


def _bands(runs: Sequence[Run], times: Sequence[float], gaps: frozenset[int]) -> Iterator[Band]:
    start: float | None = None
    end = 0.0
    for index, run in enumerate(runs):
        if start is not None and index in gaps:
            yield Band(start, end)  # nobody looked during the pause, so nothing is claimed about it
            start = None
        if run.status in BROKEN:
            start = times[index] if start is None else start
            end = max(run.finished_at.timestamp(), times[index])
        elif run.status is Status.OK and start is not None:
            yield Band(start, times[index])
            start = None
    if start is not None:
        yield Band(start, end)


def _changes(runs: Sequence[Run]) -> Iterator[Change]:
    measured = [run for run in runs if trusted(run)]
    for event, name_of in ((Event.ISP, lambda run: run.isp), (Event.SERVER, lambda run: server_name(run.server))):
        named = [(name, run.started_at.timestamp()) for run in measured if (name := name_of(run))]
        spells = [(name, next(spell)[1]) for name, spell in groupby(named, key=itemgetter(0))]
        for (before, _), (after, at) in pairwise(spells):
            yield Change(at, event, before, after)


def plan_changes(spells: Iterable[tuple[datetime, Plan]]) -> Iterator[Change]:
    """Yield the changes of plan between spells, each with the moment from which its plan judged the runs."""
    named = [(moment.timestamp(), plan_name(plan)) for moment, plan in spells]
    for (_, before), (at, after) in pairwise(named):
        if before != after:
            yield Change(at, Event.PLAN, before, after)


def plan_name(plan: Plan) -> str:
    """Return the rates of a plan in Mbit/s, download first: 100 / 20."""
    rates = (f"{rate / 1e6:g}" if rate else "none" for rate in (plan.download_bps, plan.upload_bps))
    return " / ".join(rates)


def server_name(server: Server | None) -> str:
    """Return how a server is called on a graph: name and place, else its host or number; empty when unknown."""
    if server is None:
        return ""
    parts = [part for part in (server.name, server.location) if part]
    return ", ".join(parts) or server.host or server.id or ""
