"""What the page shows of the runs: a summary of the last one, the last good numbers, rows, and their texts. Pure.

The texts are for readers without technical knowledge. A new `FailureKind` or `Scope` needs its texts here; a test
checks that the tables are complete.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from monitor.analysis.line_condition import LineCondition
from monitor.analysis.outages import LineState, run_state
from monitor.model import FailureKind, NetworkPath, Scope, Status, describe_server
from monitor.output import units
from web.stats import typical
from web.windows import DATE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from zoneinfo import ZoneInfo

    from monitor.analysis.line_condition import LineReport
    from monitor.analysis.outages import Incident
    from monitor.collect.progress import RunningTest
    from monitor.model import Failure, Plan, Run
    from monitor.scheduler.publish import Published
    from monitor.store.buckets import Summary
    from monitor.store.events import LineEvent
    from monitor.store.statistics import PlanMet
    from web.stats import WindowStats
    from web.windows import WindowChoice


STATUS_LABELS = {
    Status.OK: "OK",
    Status.FAILED: "Failed",
    Status.SKIPPED: "Skipped",
    Status.INTERRUPTED: "Interrupted",
}

KIND_LABELS = {
    FailureKind.TIMEOUT: "took too long",
    FailureKind.DNS: "name lookup failed",
    FailureKind.UNREACHABLE: "network unreachable",
    FailureKind.REFUSED: "connection refused",
    FailureKind.TLS: "secure connection failed",
    FailureKind.RATE_LIMITED: "asked to slow down",
    FailureKind.PROVIDER_DOWN: "speed test service down",
    FailureKind.SERVER_GONE: "test server gone",
    FailureKind.NO_SERVER: "no test server found",
    FailureKind.STAGE_FAILED: "broke off half-way",
    FailureKind.BAD_OUTPUT: "result not readable",
    FailureKind.CRASHED: "test program crashed",
    FailureKind.NOT_INSTALLED: "test program missing",
    FailureKind.WRONG_BINARY: "wrong test program",
    FailureKind.LICENCE: "licence not accepted",
    FailureKind.BIND: "could not use the interface",
    FailureKind.NAMESPACE: "namespace not working",
    FailureKind.INTERRUPTED: "stopped before it finished",
    FailureKind.UNKNOWN: "cause not known",
}

HEADLINES = {
    Scope.LINE: "Your internet line failed the last test",
    Scope.PROVIDER: "The speed test service failed the last test",
    Scope.CONFIG: "The configuration kept the last test from running",
    Scope.LOCAL: "This machine kept the last test from running",
    Scope.UNKNOWN: "The last test failed",
}

HEADLINES_OF_STATES = {
    LineCondition.GOOD: "Your internet line is good",
    LineCondition.SLOW: "Your internet line is slow",
    LineCondition.FAILING: "Your internet line is failing",
    LineCondition.STALE: "The last result is too old to tell",
    LineCondition.UNKNOWN: "The state of your line is not known",
}

CULPRIT_LABELS = {
    Scope.LINE: "the internet line or the ISP, not this machine",
    Scope.PROVIDER: "the provider of the speed test; your line may be fine",
    Scope.CONFIG: "a setting of speedmon; your line may be fine",
    Scope.LOCAL: "this machine; your line may be fine",
    Scope.UNKNOWN: "not known",
}

SCOPE_LABELS = {
    Scope.LINE: "line",
    Scope.PROVIDER: "test provider",
    Scope.CONFIG: "configuration",
    Scope.LOCAL: "this machine",
    Scope.UNKNOWN: "not known",
}

PATH_LABELS = {NetworkPath.IP4ONLY: "IPv4-only namespace", NetworkPath.HOST: "the host as it is"}


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """The current time, and the zone in which times are shown."""

    now: datetime
    zone: ZoneInfo

    def moment(self, at: datetime) -> str:
        """Format a time in the zone."""
        return units.format_time_with_zone(at, self.zone)

    def short(self, at: datetime) -> str:
        """Format a time in the zone, for a table."""
        return units.format_table_time(at, self.zone)

    def age(self, at: datetime) -> str:
        """Return how long ago a time is, as text."""
        return units.format_age(self.now - at)

    def until(self, at: datetime) -> str:
        """Return how far ahead a time is, as text."""
        return units.format_ahead(at - self.now)


@dataclass(frozen=True, slots=True)
class LastRunSummary:
    """The last run: a headline and, if it failed, (name, text) points; `tone` is the status, for the colour."""

    tone: Status
    headline: str
    points: tuple[tuple[str, str], ...]
    at: datetime
    message: str = ""


@dataclass(frozen=True, slots=True)
class NumberTile:
    """One number in large type."""

    name: str
    value: str
    unit: str
    note: str


@dataclass(frozen=True, slots=True)
class FigureRow:
    """The figures of a window for one metric, as texts; `before` is of the one before; what is not known is empty."""

    name: str
    typical: str
    lowest: str
    highest: str
    share: str
    before: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """One run of the table. `what` and `whose` are kind and scope of a failure as text; empty if unknown."""

    run: Run
    status: str
    download: str
    upload: str
    latency: str
    server: str
    what: str
    whose: str


def summarize_last_run(newest_first: Sequence[Run], viewpoint: Viewpoint) -> LastRunSummary:
    """Summarize the newest of the runs, of which there must be at least one."""
    last = newest_first[0]
    if last.status is Status.OK:
        return LastRunSummary(last.status, "The last test succeeded", (), last.started_at)
    failure = last.failure
    message = failure.message if failure else ""
    if last.status is Status.FAILED and failure:
        headline, points = HEADLINES[failure.scope], _failure_points(failure, newest_first, viewpoint)
    else:
        headline, points = f"The last test was {STATUS_LABELS[last.status].lower()}", ()
    return LastRunSummary(last.status, headline, points, last.started_at, message)


def _failure_points(failure: Failure, newest_first: Sequence[Run], viewpoint: Viewpoint) -> tuple[tuple[str, str], ...]:
    details = (KIND_LABELS[failure.kind], failure.stage and f"stage {failure.stage}", exit_text(failure))
    return (
        ("What", ", ".join(part for part in details if part)),
        ("Whose fault", CULPRIT_LABELS[failure.scope]),
        ("Since", _failing_since(newest_first, viewpoint)),
    )


def _failing_since(newest_first: Sequence[Run], viewpoint: Viewpoint) -> str:
    failed = list(_failed_runs(newest_first))
    first = failed[-1]
    # If even the oldest run at hand failed, the failures may have begun before it.
    least = "at least " if first is newest_first[-1] and len(failed) > 1 else ""
    count = f", {len(failed)} failed tests in a row" if len(failed) > 1 else ""
    return f"{least}{viewpoint.moment(first.started_at)} ({viewpoint.age(first.started_at)}){count}"


def _failed_runs(newest_first: Sequence[Run]) -> Iterator[Run]:
    """Yield the failed runs in a row that say the same of the line as the last one.

    Where it is down, those of its outage so far; else those since a success or a failure that says something else.
    """
    last = run_state(newest_first[0])
    for run in newest_first:
        state = run_state(run)
        if run.status is Status.OK or (LineState.SILENT not in {state, last} and state is not last):
            return
        if run.status is Status.FAILED and state is last:
            yield run
        elif run.status is Status.FAILED and last is not LineState.DOWN:
            return


def line_points(
    line: LineReport, plan: Plan, changes: Sequence[LineEvent], viewpoint: Viewpoint
) -> tuple[tuple[str, str], ...]:
    """Return (name, text) points on the state of the line: the rates now, what is normal, since when, and changes."""
    normal = [rate for rate in (line.normal.download_bps, line.normal.upload_bps) if rate is not None]
    least = "at least " if line.is_older else ""
    since = line.since and f"{least}{viewpoint.moment(line.since)} ({viewpoint.age(line.since)})"
    known = (
        ("Now", share_text(line, plan) if line.state is LineCondition.SLOW else ""),
        ("Normal", f"{' / '.join(units.format_mbps(rate) for rate in normal)} Mbit/s" if normal else ""),
        ("So since", since if since and line.state is not LineCondition.STALE else ""),
        ("Changed", _change_text(changes[-1], viewpoint) if changes else ""),
    )
    return tuple((name, text) for name, text in known if text)


def share_text(line: LineReport, plan: Plan) -> str:
    """Return the last result in percent of the plan, else of what is normal."""
    if line.result is None:
        return ""
    shares = (
        ("download", line.result.download_bps, plan.download_bps, line.normal.download_bps),
        ("upload", line.result.upload_bps, plan.upload_bps, line.normal.upload_bps),
    )
    return ", ".join(
        f"{name} {round(100 * rate / (sold or usual or 1))} % of {'the plan' if sold else 'normal'}"
        for name, rate, sold, usual in shares
        if rate is not None and (sold or usual)
    )


def _change_text(event: LineEvent, viewpoint: Viewpoint) -> str:
    name = "ISP" if event.kind == "isp" else "external address"
    return f"{name} is {event.after}, was {event.before}, {viewpoint.moment(event.at)}"


def window_label(choice: WindowChoice, viewpoint: Viewpoint) -> str:
    """Return the window as text, with its moments in the zone: "from Mon 23 Nov 2026, 14:00 CET"."""
    since, until = (_choice_text(text, viewpoint) for text in (choice.since, choice.until))
    return replace(choice, since=since, until=until).label


def _choice_text(text: str, viewpoint: Viewpoint) -> str:
    return viewpoint.moment(_zoned(text, viewpoint)) if len(text) > DATE_LENGTH else text


def window_dates(choice: WindowChoice, viewpoint: Viewpoint) -> tuple[str, str]:
    """Return the dates of the beginning and the end of a window that were given, in the zone."""
    begin, end = (
        _zoned(text, viewpoint).date().isoformat() if len(text) > DATE_LENGTH else text
        for text in (choice.since, choice.until)
    )
    return begin, end


def _zoned(text: str, viewpoint: Viewpoint) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=viewpoint.zone)).astimezone(viewpoint.zone)


def figure_rows(stats: WindowStats) -> tuple[FigureRow, ...]:
    """Return the figures of a window, beside those of the window before; of what was measured in it."""
    rates = [
        _figure_row(name, values, units.format_rate, share)
        for name, values, share in (
            ("Download", (stats.window.download_bps, stats.before.download_bps), stats.download_plan_pct),
            ("Upload", (stats.window.upload_bps, stats.before.upload_bps), stats.upload_plan_pct),
        )
    ]
    latency = (stats.window.latency_ms, stats.before.latency_ms)
    rows = [*rates, _figure_row("Latency", latency, lambda value: units.format_metric("latency_ms", value), None)]
    return tuple(row for row in rows if row)


def _figure_row(
    name: str,
    values: tuple[Summary | None, Summary | None],
    to_text: Callable[[float], str],
    share: float | None,
) -> FigureRow | None:
    window, before = values
    value, value_before = typical(window), typical(before)
    if window is None or value is None:
        return None
    change = "" if not value_before else f"{to_text(value_before)} ({100 * (value / value_before - 1):+.0f} %)"
    return FigureRow(
        name,
        f"{'mean' if window.median is None else 'median'} {to_text(value)}",
        to_text(window.min),
        to_text(window.max),
        "" if share is None else f"{share:.0f} % of the plan",
        change,
    )


def number_tiles(run: Run, plan: Plan) -> tuple[NumberTile, ...]:
    """Return the tiles of download, upload and latency."""
    jitter = f"jitter {units.format_metric('jitter_ms', run.jitter_ms)}" if run.jitter_ms is not None else ""
    download_share = plan_share_text(run.download_bps, plan.download_bps)
    upload_share = plan_share_text(run.upload_bps, plan.upload_bps)
    return (
        NumberTile("Download", units.format_mbps(run.download_bps), "Mbit/s", download_share),
        NumberTile("Upload", units.format_mbps(run.upload_bps), "Mbit/s", upload_share),
        NumberTile("Latency", units.format_metric_number("latency_ms", run.latency_ms), "ms", jitter),
    )


def describe_running_test(test: RunningTest) -> str:
    """Describe a running test: phase, rate, and the time left if that is known."""
    activity = f"{test.phase} {units.format_rate(test.rate_bps)}" if test.rate_bps else test.phase
    seconds_left = None if test.expected_s is None else max(0.0, test.expected_s - test.elapsed_s)
    return activity if seconds_left is None else f"{activity}, about {seconds_left:.0f} s left"


def run_facts(run: Run) -> tuple[tuple[str, str], ...]:
    """Return (name, value) facts on how a run was measured."""
    family = f" (IPv{run.ip_family})" if run.ip_family else ""
    loss = None if run.packet_loss_pct is None else f"{run.packet_loss_pct:g} %"
    known = (
        ("ISP", run.isp),
        ("External address", f"{run.external_ip}{family}" if run.external_ip else family.strip(" ()")),
        ("Server", describe_server(run.server)),
        ("Path", PATH_LABELS[run.path]),
        ("Packet loss", loss),
        ("Doubtful", "; ".join(remark.message for remark in run.remarks) if run.healthy is False else None),
        ("Measured with", f"{run.engine} {run.engine_version or ''}".strip()),
    )
    return tuple((name, value) for name, value in known if value)


@dataclass(frozen=True, slots=True)
class OutageRow:
    """An outage as texts: begin, end, length, cause, and the tests between which it began and ended."""

    outage: Incident
    began: str
    ended: str
    length: str
    what: str
    edges: str


def to_outage_row(outage: Incident, viewpoint: Viewpoint) -> OutageRow:
    """Convert an outage to a row of the table."""
    before, first, last, after = (
        at and viewpoint.short(at)
        for at in (outage.last_good, outage.first_failed, outage.last_failed, outage.first_good)
    )
    began = f"last good {before}, first failed {first}" if before else f"no good test before, first failed {first}"
    return OutageRow(
        outage,
        viewpoint.short(outage.began),
        viewpoint.short(outage.ended) if outage.ended else "not yet",
        "" if outage.length_s is None else units.format_short_duration(outage.length_s),
        KIND_LABELS[outage.kind],
        f"{began}; last failed {last}, {f'first good {after}' if after else 'no good test since'}",
    )


def describe_plan_met(met: dict[str, PlanMet], met_pct: float, window: str) -> str:
    """Return how many tests of a window met the plan, by rate; empty without a plan."""
    parts = [
        f"{name}: at least {units.format_trimmed(met_pct)} % of the plan in "
        f"{units.format_percent(100 * counts.met / counts.tests)} of the tests"
        for name, counts in (("Download", met.get("download_bps")), ("Upload", met.get("upload_bps")))
        if counts
    ]
    return f"{'. '.join(parts)} ({window})." if parts else ""


def status_label(run: Run) -> str:
    """Return how a run is listed."""
    if run.excluded is not None:
        return "Excluded"
    return "Doubtful" if run.healthy is False else STATUS_LABELS[run.status]


def to_row(run: Run) -> TableRow:
    """Convert a run to a row of the table."""
    failure = run.failure
    measured = (
        units.format_mbps(run.download_bps),
        units.format_mbps(run.upload_bps),
        units.format_metric_number("latency_ms", run.latency_ms),
    )
    is_cause_known = failure is not None and failure.kind is not FailureKind.UNKNOWN
    is_fault_known = failure is not None and failure.scope is not Scope.UNKNOWN and run.status is not Status.SKIPPED
    return TableRow(
        run,
        status_label(run),
        *measured,
        server=describe_server(run.server),
        what=KIND_LABELS[failure.kind].capitalize() if failure and is_cause_known else "",
        whose=SCOPE_LABELS[failure.scope] if failure and is_fault_known else "",
    )


def failed_files_text(files: Sequence[Published]) -> str:
    """Return how many published files failed, such as "1 of 4"; empty if none did."""
    failed = sum(file.error is not None for file in files)
    return f"{failed} of {len(files)}" if failed else ""


def result_link(run: Run) -> str | None:
    """Return the URL of the result at the provider; None unless it is https."""
    return run.result_url if run.result_url and run.result_url.startswith("https://") else None


def plan_share_text(value: float | None, sold: float | None) -> str:
    """Return a value as a percentage of the plan; empty if either is missing."""
    return f"{round(100 * value / sold)} % of the plan" if value is not None and sold else ""


def exit_text(failure: Failure) -> str:
    """Return the signal or exit code of the engine; empty if there is none."""
    if failure.signal is not None:
        return f"signal {failure.signal}"
    return f"exit code {failure.exit_code}" if failure.exit_code else ""
