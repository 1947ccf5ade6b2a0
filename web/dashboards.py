"""What other programs read: the shapes of Speedtest Tracker, for dashboards such as Homepage, and a badge.

Homepage's widget `speedtest` (gethomepage.dev/widgets/services/speedtest-tracker) takes the rates of its first version
as Mbit/s, and those of its second as bytes per second. A number that was not measured is null, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  annotations are read at run time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, HTTPException
from starlette.requests import Request  # noqa: TC002  annotations are read at run time
from starlette.responses import Response

from monitor.model import Status, describe_server
from monitor.output import units
from monitor.store import read
from monitor.store.connection import open_reader
from web.answers import to_answer, to_json
from web.context import ProbeQuery, render_template, select_probes
from web.errors import documented_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.model import Run
    from web.context import Site


BITS_PER_MBIT = 1_000_000

BITS_PER_BYTE = 8

ATTEMPTS = tuple(status for status in Status if status is not Status.SKIPPED)

ERRORS = documented_errors(403, 404, 421, 422, 503)

# The width of a letter of the badge in pixels, on average.
LETTER_WIDTH = 6.5

PADDING = 10


@dataclass(frozen=True, slots=True)
class TrackerResult:
    """A result as Speedtest Tracker's first version has it: rates in Mbit/s, ping in ms."""

    id: str
    ping: float | None
    download: float | None
    upload: float | None
    server_id: str | None
    server_host: str | None
    server_name: str | None
    url: str | None
    scheduled: bool
    failed: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TrackerResultV2:
    """A result as Speedtest Tracker's second version has it: rates in bytes/s and in bit/s, ping in ms."""

    id: str
    service: str
    ping: float | None
    download: int | None
    upload: int | None
    download_bits: int | None
    upload_bits: int | None
    download_bits_human: str | None
    upload_bits_human: str | None
    healthy: bool | None
    status: str
    scheduled: bool
    comments: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TrackerAnswer:
    """The newest result in the shape of the first version."""

    message: str
    data: TrackerResult


@dataclass(frozen=True, slots=True)
class TrackerAnswerV2:
    """The newest result in the shape of the second version."""

    message: str
    data: TrackerResultV2


def router(site: Site) -> APIRouter:
    """Return the routes for other programs."""
    routes = APIRouter()

    @routes.get("/api/speedtest/latest", response_model=TrackerAnswer, responses=ERRORS)
    def tracker(request: Request, probe: ProbeQuery = None) -> Response:
        """Return the newest attempt as Speedtest Tracker's first version does: rates in Mbit/s."""
        return to_json(request, TrackerAnswer("ok", to_tracker_result(_newest_attempt(site, probe))))

    @routes.get("/api/v1/results/latest", response_model=TrackerAnswerV2, responses=ERRORS)
    def tracker_v2(request: Request, probe: ProbeQuery = None) -> Response:
        """Return the newest attempt as Speedtest Tracker's second version does: rates in bytes/s."""
        return to_json(request, TrackerAnswerV2("ok", to_tracker_result_v2(_newest_attempt(site, probe))))

    badge_answer: dict[int | str, dict[str, Any]] = {200: {"content": {"image/svg+xml": {}}}}

    @routes.get("/badge.svg", response_class=Response, responses=badge_answer | ERRORS)
    def badge(request: Request, probe: ProbeQuery = None) -> Response:
        """Return download and upload of the newest attempt as a badge, or that it failed."""
        return to_answer(request, render_badge(_find_attempt(site, probe)).encode(), "image/svg+xml")

    return routes


def _newest_attempt(site: Site, probe: Sequence[str] | None) -> Run:
    attempt = _find_attempt(site, probe)
    if attempt is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "nothing has been measured yet")
    return attempt


def _find_attempt(site: Site, probe: Sequence[str] | None) -> Run | None:
    with open_reader(site.database) as connection:
        pks = select_probes(connection, site, probe).pks
        return next(iter(read.latest_runs(connection, limit=1, statuses=ATTEMPTS, probes=pks)), None)


def to_tracker_result(run: Run) -> TrackerResult:
    """Convert a run to the shape of the first version."""
    return TrackerResult(
        id=run.id,
        ping=run.latency_ms,
        download=_to_mbits(run.download_bps),
        upload=_to_mbits(run.upload_bps),
        server_id=run.server.id if run.server else None,
        server_host=run.server.host if run.server else None,
        server_name=describe_server(run.server) or None,
        url=run.result_url,
        scheduled=run.trigger == "schedule",
        failed=run.status is not Status.OK,
        created_at=run.started_at,
        updated_at=run.finished_at,
    )


def to_tracker_result_v2(run: Run) -> TrackerResultV2:
    """Convert a run to the shape of the second version."""
    return TrackerResultV2(
        id=run.id,
        service=run.engine,
        ping=run.latency_ms,
        download=_to_bytes(run.download_bps),
        upload=_to_bytes(run.upload_bps),
        download_bits=run.download_bps,
        upload_bits=run.upload_bps,
        download_bits_human=_rate_text(run.download_bps),
        upload_bits_human=_rate_text(run.upload_bps),
        healthy=run.healthy,
        status="completed" if run.status is Status.OK else "failed",
        scheduled=run.trigger == "schedule",
        comments=run.failure.message if run.failure else None,
        created_at=run.started_at,
        updated_at=run.finished_at,
    )


def _to_mbits(rate: int | None) -> float | None:
    return None if rate is None else rate / BITS_PER_MBIT


def _to_bytes(rate: int | None) -> int | None:
    return None if rate is None else round(rate / BITS_PER_BYTE)


def _rate_text(rate: int | None) -> str | None:
    return None if rate is None else units.format_rate(rate)


def render_badge(run: Run | None) -> str:
    """Return the badge of the newest attempt as SVG; None: nothing was measured yet."""
    text, tone = _badge_text(run)
    widths = [round(len(part) * LETTER_WIDTH + PADDING) for part in ("internet", text)]
    return render_template("badge.svg", label="internet", text=text, tone=tone, widths=widths)


def _badge_text(run: Run | None) -> tuple[str, str]:
    if run is None:
        return "not measured yet", "unknown"
    if run.status is not Status.OK:
        return "test failed" if run.status is Status.FAILED else "test interrupted", "bad"
    rates = [units.format_mbps(rate) for rate in (run.download_bps, run.upload_bps) if rate is not None]
    return f"{' / '.join(rates)} Mbit/s", "doubtful" if run.healthy is False else "good"
