"""The sentences on a graph, and the names of metrics and paths. Change the wording of graphs here. Pure."""

from __future__ import annotations

from datetime import timedelta
from math import isnan
from typing import TYPE_CHECKING

from monitor.analysis.metrics import Metric
from monitor.localtime import utc_offsets
from monitor.model import NetworkPath, Status, server_name
from monitor.output.units import (
    format_count,
    format_date_and_minute,
    format_day_and_minute,
    format_long_duration,
    format_number,
    format_percent,
    format_trimmed,
    format_utc_offset,
)

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from monitor.analysis.plan import PlanLine
    from monitor.analysis.series import RunSeries
    from monitor.analysis.statistics import AttemptCounts, PlanComparison, RunSources, Spread
    from monitor.graph.axes import ValueAxis
    from monitor.localtime import Window


METRIC_NAMES = {
    Metric.DOWNLOAD: "Download",
    Metric.UPLOAD: "Upload",
    Metric.LATENCY: "Latency",
    Metric.DOWNLOAD_LATENCY: "Latency under download",
    Metric.UPLOAD_LATENCY: "Latency under upload",
}
PATH_NAMES = {NetworkPath.IP4ONLY: "IPv4-only namespace", NetworkPath.HOST: "outside the namespace"}

NO_RESULT = "no result"
CROWDED_MARKS_NOTE = "Taller marks: more tests at that time."
BLANK_NOTE = "Blank: no test ran."
SHARE_NOTE = "Tests that this machine or its configuration prevented count in no share."
DOUBTFUL_MARK_NOTE = "◇: a doubtful result."

# Between facts, such as those below the title.
SEPARATOR = " · "
# So many ISPs, servers, engines or UTC offsets are named; the others are counted.
MAX_NAMED = 2


def describe_data(
    all_series: Sequence[RunSeries], sources: RunSources, window: Window, zone: ZoneInfo
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the facts that stand below every title: when, and what was measured."""
    return describe_window(window, zone), describe_sources(sources, all_series)


def describe_window(window: Window, zone: ZoneInfo) -> tuple[str, str]:
    """Return both ends of the window in local time with its length, and the zone with its offsets from UTC."""
    since, until = (format_date_and_minute(moment, zone) for moment in (window.since, window.until))
    length = format_long_duration(window.until - window.since)
    return (
        f"{since} to {until} ({length})",
        f"times in {zone.key}, {describe_offsets(window, zone)}",
    )


def describe_offsets(window: Window, zone: ZoneInfo) -> str:
    """Return the UTC offsets, each further one with the time from which it holds; of many, only the offsets."""
    (_, first), *others = utc_offsets(window, zone)
    if len(others) > MAX_NAMED:
        return " or ".join(sorted({format_utc_offset(first), *(format_utc_offset(offset) for _, offset in others)}))
    changes = (f", from {format_day_and_minute(moment, zone)} {format_utc_offset(offset)}" for moment, offset in others)
    return format_utc_offset(first) + "".join(changes)


def describe_sources(sources: RunSources, all_series: Sequence[RunSeries]) -> tuple[str, ...]:
    """Return ISP, path, address family and engine; empty texts if unknown."""
    paths = " and ".join(dict.fromkeys(f"{series.path} ({PATH_NAMES[series.path]})" for series in all_series))
    return (
        _list_names("ISP", "ISPs", sources.isps),
        f"path {paths}" if paths else "",
        describe_families(sources.families),
        _list_names("measured with", "measured with", sources.trusted_engines),
    )


def describe_servers(sources: RunSources) -> str:
    """Return the servers used; empty if none is known."""
    return _list_names("Server", "Servers", sources.servers_by(server_name))


def describe_families(families: Counter[int]) -> str:
    """Return the family of the external address; if both occurred, with the number of tests."""
    if len(families) == 1:
        return f"external address IPv{next(iter(families))}"
    counts = ", ".join(f"IPv{family} in {count:,}" for family, count in sorted(families.items()))
    return f"external address {counts} tests" if counts else ""


def describe_spread(spread: Spread, axis: ValueAxis) -> str:
    """Return the percentiles in the unit of the axis."""
    low, high = (format_number(value / axis.divisor) for value in (spread.p5, spread.p95))
    return f"5th percentile {low}, 95th {high}"


def describe_plan(standing: PlanComparison, lines: Sequence[PlanLine], metric: Metric, axis: ValueAxis) -> str:
    """Return the median as a percentage of the plan; with several plans, of the one in force each time."""
    promised = {value for line in lines for _, value in line.steps if not isnan(value)}
    if len(promised) > 1:
        return f"{round(standing.median)} % of the plan in force at the time"
    if not metric.is_rate:
        return f"plan: {format_trimmed(promised.pop())} ms"
    return f"{round(standing.median)} % of the plan ({format_trimmed(promised.pop() / axis.divisor)} {axis.unit})"


def describe_plan_met(comparison: PlanComparison, metric: Metric) -> tuple[str, ...]:
    """Return the percentage of tests that met the plan, and what of the plan they reached; long and short."""
    share = format_percent(comparison.met)
    if not metric.is_rate:
        return (f"within the plan in {share} of the tests",)
    reached = f"{format_trimmed(comparison.met_pct)} % of the plan in {share} of the tests"
    return f"at least {reached}", f"≥ {reached}"


def describe_doubts(counts: AttemptCounts) -> str:
    """Return how many results are left out of the numbers, and why; empty if none is."""
    if not counts.doubtful:
        return ""
    why = ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in counts.doubts.most_common())
    results = "1 doubtful result is" if counts.doubtful == 1 else f"{counts.doubtful:,} doubtful results are"
    return f"{results} left out of every statistic{f' ({why})' if why else ''}."


def describe_successes(counts: AttemptCounts) -> str:
    """Return how many tests succeeded and failed, and how many count as neither: those that this machine prevented."""
    if counts.success_pct is None:
        none = "no test was started" if not counts.started else f"none of {counts.started:,} counts"
        return none if counts.attempts else "no test in this window"
    share = _capped_percent(counts.success_pct, complete=not counts.lost)
    uncounted = counts.started - counts.counted
    beside = f", {uncounted:,} not counted" if uncounted else ""
    return f"{counts.statuses[Status.OK]:,} ok ({share} %), {counts.lost:,} failed{beside}"


def _capped_percent(percent: float, *, complete: bool) -> str:
    """Format a percentage; at most 99.9 unless complete."""
    return "100" if complete else f"{min(percent, 99.9):.1f}"


def describe_failures(counts: AttemptCounts) -> str:
    """Return the failures by scope; empty if there are none."""
    return ", ".join(f"{scope} {count:,}" for scope, count in counts.scopes.most_common())


def describe_run_count(counts: AttemptCounts) -> str:
    """Return the words after the number of runs."""
    skipped = counts.statuses[Status.SKIPPED]
    return ("run" if counts.attempts == 1 else "runs") + (f", {skipped:,} of them skipped" if skipped else "")


def describe_lines(width: int | None) -> str:
    """Return the note on how to read the lines."""
    if width is None:
        return "Lines join successful tests."
    bucket = format_long_duration(timedelta(seconds=width)).removeprefix("1 ")
    return f"Lines: median of every {bucket}, in a band from the lowest to the highest test."


def describe_shading(least_s: float) -> str:
    """Return the note on shaded failures, of which those below a length may be left out."""
    shortest = f", if {format_long_duration(timedelta(seconds=round(least_s)))} or longer" if least_s else ""
    return f"Shaded: from a failed test to the next success{shortest}."


def describe_unlabelled(changes: int) -> str:
    """Return how many changes have no label; empty if each has one."""
    return f"Changes without room for a label: {changes}." if changes else ""


def series_name(series: RunSeries, all_series: Sequence[RunSeries]) -> str:
    """Return what distinguishes a series from the others: its path, its probe, or both."""
    if len({one.probe for one in all_series}) == 1:
        return series.path
    return series.probe if len({one.path for one in all_series}) == 1 else f"{series.probe} {series.path}"


def _list_names(one: str, several: str, counts: Counter[str]) -> str:
    ordered = [name for name, _ in counts.most_common()]
    if len(ordered) == 1:
        return f"{one} {ordered[0]}"
    rest = f" and {len(ordered) - MAX_NAMED} more" if len(ordered) > MAX_NAMED else ""
    listed = ", ".join(f"{name} ({format_count(counts[name], 'test')})" for name in ordered[:MAX_NAMED])
    return f"{several} {listed}{rest}" if listed else ""
