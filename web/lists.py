"""The pages of what is stored: runs with filters, one run with everything known, outages, servers and data used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request  # noqa: TC002  annotations are read at run time
from starlette.responses import HTMLResponse

from monitor.localtime import months_back
from monitor.model import FailureKind, NetworkPath, Scope, Status, Trigger
from monitor.output import units
from monitor.output.evidence_words import evidence_lines
from monitor.output.run_details import run_facts, run_paragraphs
from monitor.output.tables import to_monthly_usage
from monitor.store import read
from monitor.store.connection import open_reader
from monitor.store.incidents import read_incidents
from monitor.store.statistics import monthly_usage, server_stats
from web import views
from web.api import DaysQuery, OneProbeQuery, RunId, Selected, find_shown_attempt, settings_of
from web.context import render_template, select_probes
from web.run_list import RunPage, RunsQuery, to_position, to_search
from web.views import Viewpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.analysis.outages import Incident
    from monitor.model import Trace
    from monitor.store.connection import Connection
    from web.context import Site


# Rows of a page of runs.
ROWS = 50

# Outages that are listed, and the newest of them whose evidence is read.
MAX_OUTAGES, MAX_EVIDENCE = 500, 30

MONTHS = 12

# The drawing of a trace, in its own units.
TRACE_WIDTH, TRACE_HEIGHT = 600, 120

BITS_PER_BYTE = 8

CHOICES = {"status": Status, "scope": Scope, "kind": FailureKind, "trigger": Trigger, "path": NetworkPath}

# What the form of the filters sends.
FIELDS = ("days", "from", "to", "server", "isp", "address", "probe", *CHOICES)


def router(site: Site) -> APIRouter:
    """Return the routes of the pages."""
    routes = APIRouter(include_in_schema=False)
    _add_runs(routes, site)
    _add_others(routes, site)
    return routes


def _add_runs(routes: APIRouter, site: Site) -> None:
    @routes.api_route("/runs", methods=["GET", "HEAD"])
    def runs(request: Request, query: Annotated[RunsQuery, Query()]) -> HTMLResponse:
        page = RunPage(site.database, to_search(site, query), min(query.limit, ROWS), to_position(query.cursor))
        end = page.end()
        parameters = [(name, value) for name, value in request.query_params.multi_items() if value]
        filters = [(name, value) for name, value in parameters if name not in {"cursor", "limit"}]
        older = urlencode([*filters, ("cursor", f"{end[0]}.{end[1]}")]) if end else ""
        values = {
            "rows": [views.to_row(run) for run in page.runs()],
            "query": query,
            "older": older,
            "newest": urlencode(filters) if query.cursor else None,
            "csv": urlencode([*filters, ("limit", "10000"), ("format", "csv")]),
            "choices": {name: [*kind] for name, kind in CHOICES.items()},
            "sent": dict.fromkeys(FIELDS, "") | dict(filters),
        }
        return _page(site, "runs.html", values)

    @routes.api_route("/runs/{run_id}", methods=["GET", "HEAD"])
    def run(request: Request, run_id: RunId) -> HTMLResponse:
        attempt = find_shown_attempt(site, run_id)
        values = {
            "run": attempt.run,
            "row": views.to_row(attempt.run),
            "facts": [(name, value) for name, value in run_facts(attempt, site.zone) if value and name != "trace"],
            "paragraphs": [*run_paragraphs(attempt.run, attempt.findings)],
            "raw": [
                (name, text) for name, text in (("stdout", attempt.raw.stdout), ("stderr", attempt.raw.stderr)) if text
            ],
            "trace": draw_trace(attempt.trace) if attempt.trace else None,
            "trace_size": (TRACE_WIDTH, TRACE_HEIGHT),
            "link_to_result": views.result_link(attempt.run),
            "may_act": request.scope["visitor"].may_act,
            "form_token": request.scope["form_token"],
        }
        return _page(site, "run.html", values)


def _add_others(routes: APIRouter, site: Site) -> None:
    @routes.api_route("/outages", methods=["GET", "HEAD"])
    def outages(selected: Selected) -> HTMLResponse:
        with open_reader(site.database) as connection:
            run_filter, _ = selected.of(connection, site)
            incidents = read_incidents(connection, run_filter)
            rows = _outage_rows(connection, site, incidents[:MAX_OUTAGES])
        values = {"rows": rows, "count": len(incidents), "days": selected.days, "most": MAX_OUTAGES}
        return _page(site, "outages.html", values)

    @routes.api_route("/servers", methods=["GET", "HEAD"])
    def servers(days: DaysQuery = 30, probe: OneProbeQuery = None) -> HTMLResponse:
        settings = settings_of(site, probe)
        since, _ = site.window(days)
        used = monthly_usage(settings, months_back(site.clock(), site.zone, MONTHS))
        months = [to_monthly_usage(month, settings.budget.month_gb) for month in used if month.tests]
        stats = [
            (server, _server_texts(server.download_bps, server.upload_bps, server.latency_ms))
            for server in server_stats(settings, since)
        ]
        return _page(
            site, "servers.html", {"stats": stats, "months": months, "days": days, "of_probe": settings.probe.name}
        )


def _page(site: Site, template: str, values: dict[str, Any]) -> HTMLResponse:
    with open_reader(site.database) as connection:
        selection = select_probes(connection, site, None)
    shared = {"probe": selection.title(site), "viewpoint": Viewpoint(site.clock(), site.zone), "selection": selection}
    return HTMLResponse(render_template(template, **shared, **values))


@dataclass(frozen=True, slots=True)
class EvidencedOutage:
    """An outage as texts, with the first failed test, and what it and its diagnosis say."""

    row: views.OutageRow
    run_id: str | None
    evidence: tuple[str, ...]
    parameters: str


def _outage_rows(connection: Connection, site: Site, incidents: Sequence[Incident]) -> list[EvidencedOutage]:
    viewpoint = Viewpoint(site.clock(), site.zone)
    return [
        _evidenced(connection, incident, viewpoint, is_read=place < MAX_EVIDENCE)
        for place, incident in enumerate(incidents)
    ]


def _evidenced(connection: Connection, incident: Incident, viewpoint: Viewpoint, *, is_read: bool) -> EvidencedOutage:
    first, second = incident.began, timedelta(seconds=1)
    last = (incident.last_failed or first) + second
    window = read.RunFilter(first, first + second, incident.path)
    run = next((run for run in read.read_runs(connection, window) if run.probe == incident.probe), None)
    findings = read.read_findings(connection, run.id) if run and is_read else None
    parameters = [
        ("status", Status.FAILED),
        ("from", first.isoformat()),
        ("to", last.isoformat()),
        ("probe", incident.probe),
    ]
    return EvidencedOutage(
        views.to_outage_row(incident, viewpoint),
        run.id if run else None,
        tuple(evidence_lines(findings)) if findings else (),
        urlencode(parameters),
    )


def _server_texts(download: float | None, upload: float | None, latency: float | None) -> tuple[str, ...]:
    return (units.format_mbps(download), units.format_mbps(upload), units.format_metric_number("latency_ms", latency))


@dataclass(frozen=True, slots=True)
class TraceDrawing:
    """A trace as the points of two lines in the units of the drawing, received first, and the greatest rate as text."""

    received: str
    sent: str
    highest: str
    seconds: str


def draw_trace(trace: Trace) -> TraceDrawing | None:
    """Return the drawing of what the kernel counted during a test; None if it counted nothing. Pure."""
    samples = trace.samples
    highest = max((max(sample[:2]) for sample in samples), default=0)
    if not highest:
        return None
    step = TRACE_WIDTH / max(1, len(samples) - 1)

    def points(column: int) -> str:
        heights = (TRACE_HEIGHT * (1 - sample[column] / highest) for sample in islice(samples, 5000))
        return " ".join(f"{place * step:.1f},{height:.1f}" for place, height in enumerate(heights))

    rate = highest * BITS_PER_BYTE * 1000 / trace.interval_ms
    return TraceDrawing(
        points(0), points(1), units.format_rate(rate), f"{len(samples) * trace.interval_ms / 1000:.0f} s"
    )
