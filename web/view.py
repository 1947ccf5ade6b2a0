"""What the page shows, derived from runs: a summary of the last one, the last good numbers, rows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.model import Kind, Scope, Status
from web import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from monitor.live import Moment
    from monitor.model import Failure, Plan, Run
    from monitor.publish import Published


@dataclass(frozen=True, slots=True)
class Eye:
    """The current time, and the zone in which times are shown."""

    now: datetime
    zone: ZoneInfo

    def moment(self, at: datetime) -> str:
        """Format a time in the zone."""
        return words.moment(at.astimezone(self.zone))

    def short(self, at: datetime) -> str:
        """Format a time in the zone, for a table."""
        return words.short_moment(at.astimezone(self.zone))

    def age(self, at: datetime) -> str:
        """Return how long ago a time is, as text."""
        return words.age(self.now - at)

    def until(self, at: datetime) -> str:
        """Return how far ahead a time is, as text."""
        return words.ahead(at - self.now)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The last run: a headline and, if it failed, (name, text) points; `tone` is the status, for the colour."""

    tone: Status
    headline: str
    points: tuple[tuple[str, str], ...]
    at: datetime
    message: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One number in large type."""

    name: str
    value: str
    unit: str
    note: str


@dataclass(frozen=True, slots=True)
class Row:
    """One run of the table. `what` and `whose` are kind and scope of a failure as text; empty if unknown."""

    run: Run
    status: str
    download: str
    upload: str
    latency: str
    server: str
    what: str
    whose: str


def verdict(newest_first: Sequence[Run], viewpoint: Eye) -> Verdict:
    """Summarize the newest of the runs, of which there must be at least one."""
    last = newest_first[0]
    if last.status is Status.OK:
        return Verdict(last.status, "The last test succeeded", (), last.started_at)
    failure = last.failure
    message = failure.message if failure else ""
    if last.status is Status.FAILED and failure:
        headline, points = words.HEADLINES[failure.scope], _points(failure, newest_first, viewpoint)
    else:
        headline, points = f"The last test was {words.STATUSES[last.status].lower()}", ()
    return Verdict(last.status, headline, points, last.started_at, message)


def _points(failure: Failure, newest_first: Sequence[Run], viewpoint: Eye) -> tuple[tuple[str, str], ...]:
    details = (words.KINDS[failure.kind], failure.stage and f"stage {failure.stage}", words.ending(failure))
    return (
        ("What", ", ".join(part for part in details if part)),
        ("Whose fault", words.CULPRITS[failure.scope]),
        ("Since", _since(newest_first, viewpoint)),
    )


def _since(newest_first: Sequence[Run], viewpoint: Eye) -> str:
    failed = list(_failing(newest_first))
    first = failed[-1]
    # If even the oldest run at hand failed, the failures may have begun before it.
    least = "at least " if first is newest_first[-1] and len(failed) > 1 else ""
    count = f", {len(failed)} failed tests in a row" if len(failed) > 1 else ""
    return f"{least}{viewpoint.moment(first.started_at)} ({viewpoint.age(first.started_at)}){count}"


def _failing(newest_first: Sequence[Run]) -> Iterator[Run]:
    """Yield the failed runs since the last success; skipped and interrupted ones are ignored."""
    for run in newest_first:
        if run.status is Status.OK:
            return
        if run.status is Status.FAILED:
            yield run


def tiles(run: Run, plan: Plan) -> tuple[Tile, ...]:
    """Return the tiles of download, upload and latency."""
    jitter = f"jitter {words.milliseconds(run.jitter_ms)} ms" if run.jitter_ms is not None else ""
    return (
        Tile("Download", words.rate(run.download_bps), "Mbit/s", words.share(run.download_bps, plan.download_bps)),
        Tile("Upload", words.rate(run.upload_bps), "Mbit/s", words.share(run.upload_bps, plan.upload_bps)),
        Tile("Latency", words.milliseconds(run.latency_ms), "ms", jitter),
    )


def running(test: Moment) -> str:
    """Describe a running test: phase, rate, and the time left if that is known."""
    activity = f"{test.phase} {words.rate(test.rate_bps)} Mbit/s" if test.rate_bps else test.phase
    seconds_left = None if test.expected_s is None else max(0.0, test.expected_s - test.elapsed_s)
    return activity if seconds_left is None else f"{activity}, about {seconds_left:.0f} s left"


def facts(run: Run) -> tuple[tuple[str, str], ...]:
    """Return (name, value) facts on how a run was measured."""
    family = f" (IPv{run.ip_family})" if run.ip_family else ""
    loss = None if run.packet_loss_pct is None else f"{run.packet_loss_pct:g} %"
    known = (
        ("ISP", run.isp),
        ("External address", f"{run.external_ip}{family}" if run.external_ip else family.strip(" ()")),
        ("Server", _server(run)),
        ("Path", words.PATHS[run.path]),
        ("Packet loss", loss),
        ("Doubtful", "; ".join(remark.message for remark in run.remarks) if run.healthy is False else None),
        ("Measured with", f"{run.engine} {run.engine_version or ''}".strip()),
    )
    return tuple((name, value) for name, value in known if value)


def _server(run: Run) -> str:
    server = run.server
    if server is None:
        return ""
    name = ", ".join(part for part in (server.name or server.host, server.location) if part)
    return f"{name} (#{server.id})" if server.id else name


def row(run: Run) -> Row:
    """Convert a run to a row of the table."""
    failure = run.failure
    measured = (words.rate(run.download_bps), words.rate(run.upload_bps), words.milliseconds(run.latency_ms))
    known = failure is not None and failure.kind is not Kind.UNKNOWN
    return Row(
        run,
        "Doubtful" if run.healthy is False else words.STATUSES[run.status],
        *measured,
        server=_server(run),
        what=words.KINDS[failure.kind].capitalize() if failure and known else "",
        whose=words.SCOPES[failure.scope] if failure and failure.scope is not Scope.UNKNOWN else "",
    )


def late(files: Sequence[Published]) -> str:
    """Return how many published files failed, such as "1 of 4"; empty if none did."""
    failed = sum(file.error is not None for file in files)
    return f"{failed} of {len(files)}" if failed else ""


def link(run: Run) -> str | None:
    """Return the URL of the result at the provider; None unless it is https."""
    return run.result_url if run.result_url and run.result_url.startswith("https://") else None
