"""The texts and numbers on a graph, in English. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from monitor.analysis.metrics import Metric
from monitor.localtime import utc_offsets
from monitor.model import NetworkPath, Status, server_name
from monitor.output.units import (
    _format_date_and_minute,
    _format_day_and_minute,
    _format_utc_offset,
    format_long_duration,
    format_number,
    format_round_number,
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


METRIC_NAMES = {Metric.DOWNLOAD: "Download", Metric.UPLOAD: "Upload", Metric.LATENCY: "Latency"}

METRIC_NAMES |= {Metric.DOWNLOAD_LATENCY: "Latency under download", Metric.UPLOAD_LATENCY: "Latency under upload"}

PATH_NAMES = {NetworkPath.IP4ONLY: "IPv4-only namespace", NetworkPath.HOST: "host as it is"}

MAX_NAMED = 2

SEPARATOR = " · "


def describe_window(window: Window, zone: ZoneInfo) -> tuple[str, str]:
    """Return both ends of the window in local time with its length, and the zone with its offsets from UTC."""
    since, until = (moment.astimezone(zone) for moment in (window.since, window.until))
    length = format_long_duration(window.until - window.since)
    return (
        f"{_format_date_and_minute(since)} to {_format_date_and_minute(until)} ({length})",
        f"times in {zone.key}, {describe_offsets(window, zone)}",
    )


def describe_offsets(window: Window, zone: ZoneInfo) -> str:
    """Return the UTC offsets, each further one with the time from which it holds; of many, only the offsets."""
    (_, first), *others = utc_offsets(window, zone)
    if len(others) > MAX_NAMED:
        return " or ".join(sorted({_format_utc_offset(first), *(_format_utc_offset(offset) for _, offset in others)}))
    changes = (
        f", from {_format_day_and_minute(moment.astimezone(zone))} {_format_utc_offset(offset)}"
        for moment, offset in others
    )
    return _format_utc_offset(first) + "".join(changes)


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
    promised = {value for line in lines for _, value in line.steps if value == value}  # noqa: PLR0124  not NaN
    if len(promised) > 1:
        return f"{round(standing.median)} % of the plan then in force"
    if not metric.is_rate:
        return f"plan: {format_round_number(promised.pop())} ms"
    return f"{round(standing.median)} % of the plan ({format_round_number(promised.pop() / axis.divisor)} {axis.unit})"


def describe_plan_met(share: float) -> str:
    """Return the percentage of tests that met the plan."""
    return f"plan met in {format_percent(share)} % of the tests"


def format_percent(share: float) -> str:
    """Format a percentage; only exactly 0 and 100 are shown as such, the rest as 0.1 to 99.9."""
    if share in {0, 100}:
        return f"{share:.0f}"
    return f"{min(max(share, 0.1), 99.9):.1f}" if share < 1 or share > 90 else f"{share:.0f}"  # noqa: PLR2004  near the ends


def describe_doubts(counts: AttemptCounts) -> str:
    """Return how many results are left out of the numbers, and why; empty if none is."""
    if not counts.doubtful:
        return ""
    why = ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in counts.doubts.most_common())
    results = "1 doubtful result is" if counts.doubtful == 1 else f"{counts.doubtful:,} doubtful results are"
    return f"{results} left out of all numbers{f' ({why})' if why else ''}."


def describe_successes(counts: AttemptCounts) -> str:
    """Return how many tests succeeded and failed; interrupted ones count as failed."""
    if counts.success_pct is None:
        return "none was started" if counts.attempts else "no test in this window"
    failed = counts.statuses[Status.FAILED] + counts.statuses[Status.INTERRUPTED]
    share = _capped_percent(counts.success_pct, complete=not failed)
    interrupted = counts.statuses[Status.INTERRUPTED]
    among = f" ({interrupted:,} interrupted)" if interrupted else ""
    return f"{counts.statuses[Status.OK]:,} ok ({share} %), {failed:,} failed{among}"


def _capped_percent(percent: float, *, complete: bool) -> str:
    """Format a percentage; at most 99.9 unless complete."""
    return "100" if complete else f"{min(percent, 99.9):.1f}"


def describe_failures(counts: AttemptCounts) -> str:
    """Return the failures by scope; empty if there are none."""
    return ", ".join(f"{scope} {count:,}" for scope, count in counts.scopes.most_common())


def describe_run_count(counts: AttemptCounts) -> str:
    """Return the text after the number of runs."""
    skipped = counts.statuses[Status.SKIPPED]
    return ("run" if counts.attempts == 1 else "runs") + (f", {skipped:,} of them skipped" if skipped else "")


def describe_lines(width: int | None) -> str:
    """Return the note on how to read the lines."""
    if width is None:
        return "Lines join successful tests."
    return f"Lines: median of each {format_long_duration(timedelta(seconds=width)).removeprefix('1 ')}; shade: lowest to highest test."


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
    listed = ", ".join(f"{name} ({_count_tests(counts[name])})" for name in ordered[:MAX_NAMED])
    return f"{several} {listed}{rest}" if listed else ""


def _count_tests(count: int) -> str:
    return f"{count:,} test" if count == 1 else f"{count:,} tests"
