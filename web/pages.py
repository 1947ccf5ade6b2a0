"""The page for people: the last run at a glance, the picture, the table. Plain HTML that works without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from monitor.model import Status
from monitor.store import read
from monitor.store.open import open_reader
from monitor.store.probes import named
from web import view
from web.pictures import MOST_DAYS, SIZES
from web.render import render

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from monitor.model import Run
    from web.site import Site

ROWS = 30
# So many runs back the page looks for the last success and the start of a failure.
HORIZON = 300
RANGES = {1: "24 hours", 7: "7 days", 30: "30 days", 365: "1 year"}
TROUBLE = (Status.FAILED, Status.INTERRUPTED, Status.SKIPPED)

Days = Annotated[int, Query(ge=1, le=MOST_DAYS)]
Only = Annotated[Literal["all", "trouble"], Query()]


def router(site: Site) -> APIRouter:
    """Return the routes of the page."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"])
    def page(days: Days = 30, only: Only = "all") -> HTMLResponse:
        with open_reader(site.database) as connection:
            chosen = named(connection, site.probes)
            newest_first = read.latest(connection, limit=HORIZON, probes=chosen)
            rows = newest_first[:ROWS] if only == "all" else _trouble(connection, site, days, chosen)
        return HTMLResponse(_filled(site, newest_first, rows, days, only) if newest_first else _empty(site))

    return routes


def _trouble(connection: Connection, site: Site, days: int, probes: list[int]) -> list[Run]:
    since, _ = site.window(days)
    return read.latest(connection, limit=ROWS, since=since, statuses=TROUBLE, probes=probes)


def _empty(site: Site) -> str:
    return render("empty.html", probe=site.title, next_slot=site.next_slot(), now=_now(site), eye=_eye(site))


def _filled(site: Site, newest_first: list[Run], rows: list[Run], days: int, only: str) -> str:
    eye = _eye(site)
    measured = next((run for run in newest_first if run.status is Status.OK), None)
    return render(
        "index.html",
        probe=site.title,
        eye=eye,
        next_slot=site.next_slot(),
        now=_now(site),
        verdict=view.verdict(newest_first, eye),
        last=newest_first[0],
        measured=measured,
        tiles=view.tiles(measured, site.settings.plan.as_plan()) if measured else (),
        facts=view.facts(measured) if measured else (),
        link=view.link(measured) if measured else None,
        rows=[view.row(run) for run in rows],
        days=days,
        only=only,
        ranges=RANGES,
        sizes=SIZES,
        late=view.late(site.published()),
    )


def _now(site: Site) -> str:
    moment = site.running()
    return view.running(moment) if moment else ""


def _eye(site: Site) -> view.Eye:
    return view.Eye(site.clock(), site.zone)
