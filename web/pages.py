"""The page: the last run at a glance, the graph, the table. Whole without JavaScript.

What is shown of a run is decided in `web.views`; the layout is in the templates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request  # noqa: TC002  annotations are read at run time
from starlette.responses import HTMLResponse

from monitor.analysis.line_condition import StateLimits, judge_line
from monitor.graph.render import DEFAULT_KIND, KINDS
from monitor.model import Status
from monitor.notify.health import known_addresses
from monitor.store import read
from monitor.store.connection import open_reader
from monitor.store.events import read_events
from monitor.store.incidents import read_incidents
from monitor.store.lookups import probe_pks
from monitor.store.statistics import plan_met, plans_of_runs
from web import views
from web.context import MAX_DAYS, ProbeQuery, ProbeSelection, link, render_template, select_probes
from web.graphs import SIZES, GraphForm, KindQuery, graph_window
from web.stats import read_stats
from web.windows import (
    ALL,
    RANGES,
    WindowChoice,
    choose_days_with_runs,
    is_chosen,
    read_choice_or_last,
    remember,
)

if TYPE_CHECKING:
    from monitor.localtime import Window
    from monitor.model import Run
    from monitor.store.connection import Connection
    from monitor.store.read import RunFilter
    from web.context import Site


MAX_ROWS = 30

# So many outages are listed, from the newest so many hours in which the line failed.
MAX_OUTAGES, MAX_HOURS = 10, 200

# Results of more days than this would take too long to compare with the plan.
MAX_MET_DAYS = 30

# How many runs to search for the last success and the start of a failure.
LOOKBACK_RUNS = 300

# Medians of a longer window take too long for a page; it has means.
LONGEST_WITH_MEDIANS = timedelta(days=400)

UNMEASURED = (Status.FAILED, Status.INTERRUPTED, Status.SKIPPED)

# Up to MAX_LINKS probes are links side by side; more become a text field with at most MAX_SUGGESTIONS suggestions.
MAX_LINKS = 12
MAX_SUGGESTIONS = 500

RowFilter = Annotated[Literal["all", "trouble"], Query()]


def router(site: Site) -> APIRouter:
    """Return the routes of the page."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"])
    def page(
        request: Request,
        choice: Annotated[WindowChoice, Depends(read_choice_or_last)],
        only: RowFilter = "all",
        kind: KindQuery = DEFAULT_KIND,
        probe: ProbeQuery = None,
    ) -> HTMLResponse:
        with open_reader(site.database) as connection:
            selection = select_probes(connection, site, probe)
            newest_first = _newest_probe_runs(connection, selection)
            if newest_first and not is_chosen(request):
                choice = choose_days_with_runs(choice, site, newest_first[0].started_at)
            shared = _shared_values(site, selection, PageLinks.of(choice, only, selection.named, kind))
            shared["addresses"] = known_addresses(connection, site.settings)
            shared["plans"] = plans_of_runs(connection, newest_first)
            if newest_first:
                values = _read_page(connection, site, selection, choice, only)
        response = HTMLResponse(
            _render_page(site, selection, newest_first, shared | values)
            if newest_first
            else render_template("empty.html", **shared)
        )
        if "days" in request.query_params:
            remember(response, choice)
        return response

    return routes


def _read_page(
    connection: Connection, site: Site, selection: ProbeSelection, choice: WindowChoice, only: str
) -> dict[str, Any]:
    """Return the template values that are read from the store, but for the newest runs."""
    first = read.first_start(connection, selection.pks)
    window, drawn = choice.resolve(site, first), graph_window(site, choice, first)
    run_filter = read.RunFilter(window.since, window.until, probes=selection.pks)
    medians = window.until - window.since <= LONGEST_WITH_MEDIANS
    events = [*read_events(connection, window.since, window.until)]
    # The figures are those of the graph beside them, whose window ends a little later.
    of_graph = replace(run_filter, since=drawn.since, until=drawn.until)
    return _read_line(connection, site, run_filter) | {
        "window": window,
        "window_days": math.ceil((window.until - window.since) / timedelta(days=1)),
        "rows": [views.to_row(run) for run in _table_runs(connection, run_filter, only)],
        "stats": read_stats(connection, of_graph, selection.plan(site, selection.shown), medians=medians),
        "changes": [event for event in events if event.probe in selection.shown],
    }


def _newest_probe_runs(connection: Connection, selection: ProbeSelection) -> list[Run]:
    """Return the newest runs of the probe with the newest run: a success of another does not end its failures."""
    newest = read.latest_runs(connection, limit=1 if selection.several else LOOKBACK_RUNS, probes=selection.pks)
    if not newest or not selection.several:
        return newest
    return read.latest_runs(connection, limit=LOOKBACK_RUNS, probes=probe_pks(connection, [newest[0].probe]))


def _table_runs(connection: Connection, run_filter: RunFilter, only: str) -> list[Run]:
    if only == "all":
        return read.latest_runs(connection, limit=MAX_ROWS, probes=run_filter.probes)
    return read.latest_runs(
        connection, limit=MAX_ROWS, since=run_filter.since, statuses=UNMEASURED, probes=run_filter.probes
    )


def _read_line(connection: Connection, site: Site, run_filter: RunFilter) -> dict[str, Any]:
    """Return the template values that say how the line was: outages of the window, and how many tests met the plan."""
    viewpoint, met_pct = views.Viewpoint(site.clock(), site.zone), site.settings.display.plan_met_pct
    outages = read_incidents(connection, run_filter, most_hours=MAX_HOURS)
    met_filter = replace(run_filter, since=max(run_filter.since, run_filter.until - timedelta(days=MAX_MET_DAYS)))
    met_days = max(1, (met_filter.until - met_filter.since).days)
    met = plan_met(connection, met_filter, met_pct)
    return {
        "outages": [views.to_outage_row(outage, viewpoint) for outage in outages[:MAX_OUTAGES]],
        "more_outages": max(0, len(outages) - MAX_OUTAGES),
        "plan_met": views.describe_plan_met(met, met_pct, RANGES.get(str(met_days), f"{met_days} days")),
    }


def _shared_values(site: Site, selection: ProbeSelection, links: PageLinks) -> dict[str, Any]:
    """Return the template values that do not depend on runs."""
    running_test = site.running()
    return {
        "probe": selection.title(site),
        "viewpoint": views.Viewpoint(site.clock(), site.zone),
        "next_slot": site.next_slot(),
        "pause": site.paused(),
        "running": views.describe_running_test(running_test) if running_test else "",
        "selection": selection,
        "links": links,
        "max_links": MAX_LINKS,
        "max_suggestions": MAX_SUGGESTIONS,
    }


def _render_page(site: Site, selection: ProbeSelection, newest_first: list[Run], values: dict[str, Any]) -> str:
    viewpoint, last = values["viewpoint"], newest_first[0]
    measured = next((run for run in newest_first if run.status is Status.OK and run.excluded is None), None)
    plan = selection.plan(site, [last.probe])
    line = judge_line(newest_first, values["plans"], viewpoint.now, StateLimits.from_settings(site.settings))
    changes = [event for event in values["changes"] if event.probe == last.probe]
    return render_template(
        "index.html",
        **values,
        line=line,
        headline=views.HEADLINES_OF_STATES[line.state],
        line_points=views.line_points(line, plan, changes, viewpoint),
        summary=views.summarize_last_run(newest_first, viewpoint),
        last=last,
        measured=measured,
        tiles=views.number_tiles(measured, selection.plan(site, [measured.probe])) if measured else (),
        facts=views.run_facts(measured) if measured else (),
        link=views.result_link(measured) if measured else None,
        figures=views.figure_rows(values["stats"]),
        days_to_newest=_days_to_newest(site, newest_first, values["window"]),
        ranges=RANGES,
        address_problems=[report.describe(site.zone) for report in values["addresses"] if report.is_broken],
        kinds=KINDS,
        sizes={screen: GraphForm(values["links"].kind, "svg", screen).size for screen in SIZES},
        window_label=views.window_label(values["links"].window, viewpoint),
        dates=views.window_dates(values["links"].window, viewpoint),
        publish_failures=views.failed_files_text(site.published()),
    )


def _days_to_newest(site: Site, newest_first: list[Run], window: Window) -> int | None:
    """Return how many days show the newest run: None if the window does, 0 if it is older than the page can show."""
    newest = newest_first[0].started_at
    needed = (site.clock() - newest).days + 1
    return None if window.since <= newest < window.until else needed if needed <= MAX_DAYS else 0


@dataclass(frozen=True, slots=True)
class PageLinks:
    """The parameters of the page: window, filter of the table, probes (none: all), and the kind of graph."""

    days: int | str
    only: str
    probes: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    kind: str = DEFAULT_KIND

    @classmethod
    def of(cls, choice: WindowChoice, only: str, probes: tuple[str, ...], kind: str = DEFAULT_KIND) -> PageLinks:
        """Return the links of a page with this window."""
        return cls(choice.days, only, probes, choice.since, choice.until, kind)

    @property
    def window(self) -> WindowChoice:
        """The window."""
        return WindowChoice(str(self.days), self.since, self.until)

    def range(self, days: str) -> str:
        """Return the URL of the page with the last days, or all."""
        return self.page(days=days, since="", until="")

    def page(self, **changes: Any) -> str:
        """Return the URL of the page with some parameters changed."""
        changed = replace(self, **changes)
        kind = "" if changed.kind == DEFAULT_KIND else changed.kind
        return _build_url("/", changed, only="" if changed.only == "all" else changed.only, graph=kind)

    def graph(self, form: str, size: str = "") -> str:
        """Return the URL of the graph as SVG or PNG."""
        return _build_url(f"/graph.{form}", self, size=size, graph="" if self.kind == DEFAULT_KIND else self.kind)

    def runs(self) -> str:
        """Return the URL of the runs as JSON."""
        return _build_url("/api/v1/runs", replace(self, days=MAX_DAYS) if self.days == ALL else self)


def _build_url(path: str, links: PageLinks, **extra: str) -> str:
    """Return the URL of a path with the common parameters and the extra ones that are not empty."""
    parameters = [(key, value) for key, value in extra.items() if value]
    probe_parameters = [("probe", name) for name in links.probes]
    return f"{link(path)}?{urlencode([*links.window.parameters, *parameters, *probe_parameters])}"
