"""The page: the last run at a glance, the graph, the table. Plain HTML without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from monitor.model import Status
from monitor.store import read
from monitor.store.open import open_reader
from monitor.store.probes import named
from web import view
from web.choice import Asked, Choice, choose
from web.links import Links
from web.pictures import MOST_DAYS, SIZES
from web.render import render

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from monitor.model import Run
    from web.site import Site

ROWS = 30
# How many runs to search for the last success and the start of a failure.
HORIZON = 300
RANGES = {1: "24 hours", 7: "7 days", 30: "30 days", 365: "1 year"}
TROUBLE = (Status.FAILED, Status.INTERRUPTED, Status.SKIPPED)
# Up to FEW_PROBES are links side by side; more become a text field with at most MOST_PROBES suggestions.
FEW_PROBES = 12
MOST_PROBES = 500

Days = Annotated[int, Query(ge=1, le=MOST_DAYS)]
Only = Annotated[Literal["all", "trouble"], Query()]


def router(site: Site) -> APIRouter:
    """Return the routes of the page."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"])
    def page(days: Days = 30, only: Only = "all", probe: Asked = None) -> HTMLResponse:
        with open_reader(site.database) as connection:
            selection = choose(connection, site, probe)
            newest_first = _of_the_newest(connection, selection)
            rows = _rows(connection, site, selection, days, only)
        shared = _shared(site, selection, Links(days, only, selection.named))
        return HTMLResponse(
            _filled(site, selection, newest_first, rows, shared) if newest_first else render("empty.html", **shared)
        )

    return routes


def _of_the_newest(connection: Connection, selection: Choice) -> list[Run]:
    """Return the newest runs of the probe with the newest run: a success of another does not end its failures."""
    newest = read.latest(connection, limit=1 if selection.several else HORIZON, probes=selection.rows)
    if not newest or not selection.several:
        return newest
    return read.latest(connection, limit=HORIZON, probes=named(connection, [newest[0].probe]))


def _rows(connection: Connection, site: Site, selection: Choice, days: int, only: str) -> list[Run]:
    if only == "all":
        return read.latest(connection, limit=ROWS, probes=selection.rows)
    since, _ = site.window(days)
    return read.latest(connection, limit=ROWS, since=since, statuses=TROUBLE, probes=selection.rows)


def _shared(site: Site, selection: Choice, links: Links) -> dict[str, Any]:
    """Return the template values that do not depend on runs."""
    running_test = site.running()
    return {
        "probe": selection.title(site),
        "viewpoint": view.Eye(site.clock(), site.zone),
        "next_slot": site.next_slot(),
        "now": view.running(running_test) if running_test else "",
        "selection": selection,
        "links": links,
        "few": FEW_PROBES,
        "most": MOST_PROBES,
    }


def _filled(site: Site, selection: Choice, newest_first: list[Run], rows: list[Run], shared: dict[str, Any]) -> str:
    links = shared["links"]
    measured = next((run for run in newest_first if run.status is Status.OK), None)
    return render(
        "index.html",
        **shared,
        verdict=view.verdict(newest_first, shared["viewpoint"]),
        last=newest_first[0],
        measured=measured,
        tiles=view.tiles(measured, selection.plan(site, [measured.probe])) if measured else (),
        facts=view.facts(measured) if measured else (),
        link=view.link(measured) if measured else None,
        rows=[view.row(run) for run in rows],
        days=links.days,
        only=links.only,
        ranges=RANGES,
        sizes=SIZES,
        late=view.late(site.published()),
    )
