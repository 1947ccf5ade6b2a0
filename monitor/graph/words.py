"""The texts and numbers on a graph, in English. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from monitor.graph.data import Metric
from monitor.graph.ticks import offsets
from monitor.model import Path, Status

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.graph.data import Window
    from monitor.graph.promise import Promise
    from monitor.graph.scale import Scale
    from monitor.graph.stats import Standing, Tally
    from monitor.graph.track import Track
    from monitor.spread import Spread

NAMES = {Metric.DOWNLOAD: "Download", Metric.UPLOAD: "Upload", Metric.LATENCY: "Latency"}
NAMES |= {Metric.DOWNLOAD_LATENCY: "Latency under download", Metric.UPLOAD_LATENCY: "Latency under upload"}
PATH_NAMES = {Path.IP4ONLY: "IPv4-only namespace", Path.HOST: "host as it is"}
NAMED_AT_MOST = 2
BETWEEN = " · "


def number(value: float) -> str:
    """Format with at least three significant digits and thousands separators: 4.21, 95.7, 941, 1,234."""
    size = abs(value)
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.995 or not size else 3  # noqa: PLR2004  rounds up to 100, 10, 1
    return f"{value:,.{decimals}f}"


def round_number(value: float) -> str:
    """Format without trailing zeros, for axes and plans: 0, 2.5, 100, 1,000."""
    text = f"{value:,.3f}"
    return text.rstrip("0").rstrip(".")


def window_words(window: Window, zone: ZoneInfo) -> tuple[str, str]:
    """Return both ends of the window in local time with its length, and the zone with its offsets from UTC."""
    since, until = (moment.astimezone(zone) for moment in (window.since, window.until))
    length = duration(window.until - window.since)
    return (
        f"{_moment(since)} to {_moment(until)} ({length})",
        f"times in {zone.key}, {offset_words(window, zone)}",
    )


def offset_words(window: Window, zone: ZoneInfo) -> str:
    """Return the UTC offsets, each further one with the time from which it holds; of many, only the offsets."""
    (_, first), *others = offsets(window, zone)
    if len(others) > NAMED_AT_MOST:
        return " or ".join(sorted({_utc(first), *(_utc(offset) for _, offset in others)}))
    changes = (f", from {_short(moment.astimezone(zone))} {_utc(offset)}" for moment, offset in others)
    return _utc(first) + "".join(changes)


def duration(length: timedelta) -> str:
    """Format in the largest unit that fits: 30 days, 36 hours, 45 minutes."""
    seconds = length.total_seconds()
    for unit, name, least in ((86_400, "day", 2 * 86_400), (3600, "hour", 2 * 3600), (60, "minute", 0)):
        if seconds >= least or (seconds == unit and name != "minute"):
            break
    count = round_number(round(seconds / unit, 1))
    return f"{count} {name}" if count == "1" else f"{count} {name}s"


def source_words(counts: Tally, all_series: Sequence[Track]) -> tuple[str, ...]:
    """Return ISP, path, address family and engine; empty texts if unknown."""
    paths = " and ".join(dict.fromkeys(f"{series.path} ({PATH_NAMES[series.path]})" for series in all_series))
    return (
        _named("ISP", "ISPs", counts.isps),
        f"path {paths}" if paths else "",
        family_words(counts.families),
        _named("measured with", "measured with", counts.engines),
    )


def server_words(counts: Tally) -> str:
    """Return the servers used; empty if none is known."""
    return _named("Server", "Servers", counts.servers)


def family_words(families: Counter[int]) -> str:
    """Return the family of the external address; if both occurred, with the number of tests."""
    if len(families) == 1:
        return f"external address IPv{next(iter(families))}"
    counts = ", ".join(f"IPv{family} in {count:,}" for family, count in sorted(families.items()))
    return f"external address {counts} tests" if counts else ""


def spread_words(spread: Spread, axis: Scale) -> str:
    """Return the percentiles in the unit of the axis."""
    low, high = (number(value / axis.divisor) for value in (spread.p5, spread.p95))
    return f"5th percentile {low}, 95th {high}"


def plan_words(standing: Standing, lines: Sequence[Promise], metric: Metric, axis: Scale) -> str:
    """Return the median as a percentage of the plan; with several plans, of the one in force each time."""
    promised = {value for line in lines for _, value in line.steps if value == value}  # noqa: PLR0124  not NaN
    if len(promised) > 1:
        return f"{round(standing.median)} % of the plan then in force"
    if not metric.is_rate:
        return f"plan: {round_number(promised.pop())} ms"
    return f"{round(standing.median)} % of the plan ({round_number(promised.pop() / axis.divisor)} {axis.unit})"


def met_words(share: float) -> str:
    """Return the percentage of tests that met the plan."""
    return f"plan met in {percent(share)} % of the tests"


def percent(share: float) -> str:
    """Format a percentage; only exactly 0 and 100 are shown as such, the rest as 0.1 to 99.9."""
    if share in {0, 100}:
        return f"{share:.0f}"
    return f"{min(max(share, 0.1), 99.9):.1f}" if share < 1 or share > 90 else f"{share:.0f}"  # noqa: PLR2004  near the ends


def doubt_words(counts: Tally) -> str:
    """Return how many results are left out of the numbers, and why; empty if none is."""
    if not counts.doubtful:
        return ""
    why = ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in counts.doubts.most_common())
    results = "1 doubtful result is" if counts.doubtful == 1 else f"{counts.doubtful:,} doubtful results are"
    return f"{results} left out of all numbers{f' ({why})' if why else ''}."


def success_words(counts: Tally) -> str:
    """Return how many tests succeeded and failed; interrupted ones count as failed."""
    if counts.success_pct is None:
        return "none was started" if counts.runs else "no test in this window"
    failed = counts.statuses[Status.FAILED] + counts.statuses[Status.INTERRUPTED]
    share = _share(counts.success_pct, complete=not failed)
    interrupted = counts.statuses[Status.INTERRUPTED]
    among = f" ({interrupted:,} interrupted)" if interrupted else ""
    return f"{counts.statuses[Status.OK]:,} ok ({share} %), {failed:,} failed{among}"


def _share(percent: float, *, complete: bool) -> str:
    """Format a percentage; at most 99.9 unless complete."""
    return "100" if complete else f"{min(percent, 99.9):.1f}"


def failure_words(counts: Tally) -> str:
    """Return the failures by scope; empty if there are none."""
    return ", ".join(f"{scope} {count:,}" for scope, count in counts.scopes.most_common())


def runs_words(counts: Tally) -> str:
    """Return the text after the number of runs."""
    skipped = counts.statuses[Status.SKIPPED]
    return ("run" if counts.runs == 1 else "runs") + (f", {skipped:,} of them skipped" if skipped else "")


def bucket_words(width: int | None) -> str:
    """Return the note on how to read the lines."""
    if width is None:
        return "Lines join successful tests."
    return (
        f"Lines: median of each {duration(timedelta(seconds=width)).removeprefix('1 ')}; shade: lowest to highest test."
    )


def track_name(series: Track, all_series: Sequence[Track]) -> str:
    """Return what distinguishes a series from the others: its path, its probe, or both."""
    if len({one.probe for one in all_series}) == 1:
        return series.path
    return series.probe if len({one.path for one in all_series}) == 1 else f"{series.probe} {series.path}"


def _named(one: str, several: str, counts: Counter[str]) -> str:
    ordered = [name for name, _ in counts.most_common()]
    if len(ordered) == 1:
        return f"{one} {ordered[0]}"
    rest = f" and {len(ordered) - NAMED_AT_MOST} more" if len(ordered) > NAMED_AT_MOST else ""
    listed = ", ".join(f"{name} ({_tests(counts[name])})" for name in ordered[:NAMED_AT_MOST])
    return f"{several} {listed}{rest}" if listed else ""


def _tests(count: int) -> str:
    return f"{count:,} test" if count == 1 else f"{count:,} tests"


def _moment(local: datetime) -> str:
    return f"{local.day} {local:%b %Y %H:%M}"


def _short(local: datetime) -> str:
    return f"{local.day} {local:%b %H:%M}"


def _utc(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
