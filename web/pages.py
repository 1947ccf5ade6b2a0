"""The page: the last run at a glance, the graph, the table. Plain HTML without JavaScript.

What is shown of a run is decided in `web.views`; the layout is in the templates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from monitor.model import Status
from monitor.store import read
from monitor.store.connection import open_reader
from monitor.store.incidents import read_incidents
from monitor.store.lookups import probe_pks
from monitor.store.statistics import plan_met
from web import views
from web.context import ProbeQuery, ProbeSelection, render_template, select_probes
from web.graphs import MAX_DAYS, SIZES

if TYPE_CHECKING:
    from monitor.model import Run
    from monitor.store.connection import Connection
    from web.context import Site


MAX_ROWS = 30

# So many outages are listed, from the newest so many hours in which the line failed.
MAX_OUTAGES, MAX_HOURS = 10, 200

# Results of more days than this would take too long to compare with the plan.
MAX_MET_DAYS = 30

# How many runs to search for the last success and the start of a failure.
LOOKBACK_RUNS = 300

RANGES = {1: "24 hours", 7: "7 days", 30: "30 days", 365: "1 year"}

UNMEASURED = (Status.FAILED, Status.INTERRUPTED, Status.SKIPPED)

# Up to MAX_LINKS probes are links side by side; more become a text field with at most MAX_SUGGESTIONS suggestions.
MAX_LINKS = 12
MAX_SUGGESTIONS = 500

DaysQuery = Annotated[int, Query(ge=1, le=MAX_DAYS)]

RowFilter = Annotated[Literal["all", "trouble"], Query()]


def router(site: Site) -> APIRouter:
    """Return the routes of the page."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"])
    def page(days: DaysQuery = 30, only: RowFilter = "all", probe: ProbeQuery = None) -> HTMLResponse:
        with open_reader(site.database) as connection:
            selection = select_probes(connection, site, probe)
            newest_first = _newest_probe_runs(connection, selection)
            rows = _table_runs(connection, site, selection, days, only)
            line = _read_line(connection, site, selection, days)
        shared = _shared_values(site, selection, PageLinks(days, only, selection.named))
        return HTMLResponse(
            _render_page(site, selection, newest_first, rows, shared | line)
            if newest_first
            else render_template("empty.html", **shared)
        )

    return routes


def _newest_probe_runs(connection: Connection, selection: ProbeSelection) -> list[Run]:
    """Return the newest runs of the probe with the newest run: a success of another does not end its failures."""
    newest = read.latest_runs(connection, limit=1 if selection.several else LOOKBACK_RUNS, probes=selection.pks)
    if not newest or not selection.several:
        return newest
    return read.latest_runs(connection, limit=LOOKBACK_RUNS, probes=probe_pks(connection, [newest[0].probe]))


def _table_runs(connection: Connection, site: Site, selection: ProbeSelection, days: int, only: str) -> list[Run]:
    if only == "all":
        return read.latest_runs(connection, limit=MAX_ROWS, probes=selection.pks)
    since, _ = site.window(days)
    return read.latest_runs(connection, limit=MAX_ROWS, since=since, statuses=UNMEASURED, probes=selection.pks)


def _read_line(connection: Connection, site: Site, selection: ProbeSelection, days: int) -> dict[str, Any]:
    """Return the template values that say how the line was: outages of the window, and how many tests met the plan."""
    viewpoint, met_pct = views.Viewpoint(site.clock(), site.zone), site.settings.display.plan_met_pct
    outages = read_incidents(connection, read.RunFilter(*site.window(days), probes=selection.pks), most_hours=MAX_HOURS)
    met_days = min(days, MAX_MET_DAYS)
    met = plan_met(connection, read.RunFilter(*site.window(met_days), probes=selection.pks), met_pct)
    return {
        "outages": [views.to_outage_row(outage, viewpoint) for outage in outages[:MAX_OUTAGES]],
        "more_outages": max(0, len(outages) - MAX_OUTAGES),
        "plan_met": views.describe_plan_met(met, met_pct, RANGES.get(met_days, f"{met_days} days")),
    }


def _shared_values(site: Site, selection: ProbeSelection, links: PageLinks) -> dict[str, Any]:
    """Return the template values that do not depend on runs."""
    running_test = site.running()
    return {
        "probe": selection.title(site),
        "viewpoint": views.Viewpoint(site.clock(), site.zone),
        "next_slot": site.next_slot(),
        "running": views.describe_running_test(running_test) if running_test else "",
        "selection": selection,
        "links": links,
        "max_links": MAX_LINKS,
        "max_suggestions": MAX_SUGGESTIONS,
    }


def _render_page(
    site: Site, selection: ProbeSelection, newest_first: list[Run], rows: list[Run], shared: dict[str, Any]
) -> str:
    links = shared["links"]
    measured = next((run for run in newest_first if run.status is Status.OK), None)
    return render_template(
        "index.html",
        **shared,
        summary=views.summarize_last_run(newest_first, shared["viewpoint"]),
        last=newest_first[0],
        measured=measured,
        tiles=views.number_tiles(measured, selection.plan(site, [measured.probe])) if measured else (),
        facts=views.run_facts(measured) if measured else (),
        link=views.result_link(measured) if measured else None,
        rows=[views.to_row(run) for run in rows],
        days=links.days,
        days_to_newest=_days_to_newest(site, newest_first, links.days),
        only=links.only,
        ranges=RANGES,
        sizes=SIZES,
        publish_failures=views.failed_files_text(site.published()),
    )


def _days_to_newest(site: Site, newest_first: list[Run], days: int) -> int | None:
    """Return how many days show the newest run: None if these do, 0 if it is older than the page can show."""
    until = site.clock()
    newest = newest_first[0].started_at
    needed = (until - newest).days + 1
    return None if newest >= until - timedelta(days=days) else needed if needed <= MAX_DAYS else 0


@dataclass(frozen=True, slots=True)
class PageLinks:
    """The parameters of the page: window in days, filter of the table, and probes (none: all)."""

    days: int
    only: str
    probes: tuple[str, ...] = ()

    def page(self, **changes: Any) -> str:
        """Return the URL of the page with some parameters changed."""
        changed = replace(self, **changes)
        return _build_url("/", changed, only="" if changed.only == "all" else changed.only)

    def graph(self, size: str = "") -> str:
        """Return the URL of the graph."""
        return _build_url("/graph.png", self, size=size)

    def runs(self) -> str:
        """Return the URL of the runs as JSON."""
        return _build_url("/api/v1/runs", self)


def _build_url(path: str, links: PageLinks, **extra: str) -> str:
    """Return the URL of a path with the common parameters and the extra ones that are not empty."""
    parameters = [(key, value) for key, value in extra.items() if value]
    probe_parameters = [("probe", name) for name in links.probes]
    return f"{path}?{urlencode([('days', links.days), *parameters, *probe_parameters])}"
