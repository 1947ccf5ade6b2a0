"""The JSON API below `/api/v1`, but for the list of runs, which is in `web.run_list`.

What a list holds is bounded by its parameters. Times are as in `history --json`, buckets have epoch seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  annotations are read at run time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi import Path as PathParameter
from msgspec.structs import replace as replace_settings
from starlette.requests import Request  # noqa: TC002  annotations are read at run time
from starlette.responses import Response  # noqa: TC002  annotations are read at run time

from monitor.analysis.outages import Incident
from monitor.collect.progress import RunningTest  # noqa: TC001  annotations are read at run time
from monitor.errors import UsageError
from monitor.localtime import months_back
from monitor.model import Attempt, NetworkPath, Run, Status
from monitor.output.tables import MonthlyUsage, to_monthly_usage
from monitor.scheduler.publish import Published  # noqa: TC001  annotations are read at run time
from monitor.store import read
from monitor.store.buckets import DEFAULT_BUCKETS, MAX_BUCKETS, Bucket, read_buckets
from monitor.store.connection import open_reader
from monitor.store.incidents import read_incidents
from monitor.store.statistics import ServerStats, monthly_usage, server_stats
from web.answers import CSV_ANSWER, AsList, to_json, to_list
from web.context import MAX_DAYS, ProbeQuery, select_probes
from web.errors import documented_errors
from web.stats import WindowStats, read_stats

if TYPE_CHECKING:
    from monitor.config.settings import Settings
    from monitor.store.connection import Connection
    from monitor.store.read import RunFilter
    from web.context import ProbeSelection, Site


DaysQuery = Annotated[int, Query(ge=1, le=MAX_DAYS, description="how many days to look back")]

MaxBucketsQuery = Annotated[int, Query(ge=1, le=MAX_BUCKETS, description="at most this many buckets")]

MediansQuery = Annotated[bool, Query(description="also compute medians, which takes longer")]

MonthsQuery = Annotated[int, Query(ge=1, le=120, description="how many months to look back")]

PathQuery = Annotated[NetworkPath | None, Query(description="only runs over this path")]

OneProbeQuery = Annotated[str | None, Query(alias="probe", description="the probe; default: that of this machine")]

RunId = Annotated[str, PathParameter(pattern="^[0-9a-f-]{36}$", description="the id of the run")]

ERRORS = documented_errors(403, 404, 421, 422, 503)


@dataclass(frozen=True, slots=True)
class ProbeState:
    """A probe with its newest attempt; None if it was never asked to test."""

    probe: str
    last_id: str | None = None
    last_started_at: datetime | None = None
    last_status: Status | None = None
    last_success_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The window, path and probes that a request is about."""

    days: int
    since: datetime | None
    until: datetime | None
    path: NetworkPath | None
    probes: list[str] | None

    def of(self, connection: Connection, site: Site) -> tuple[RunFilter, ProbeSelection]:
        """Return the filter of the runs, and the probes.

        Raises:
            UsageError: the window ends before it begins.
            UnknownProbeError: a probe is not on offer.
        """
        selection = select_probes(connection, site, self.probes)
        window = site.window(self.days, self.since, self.until)
        return read.RunFilter(*window, self.path, selection.pks), selection


def read_selection(
    days: DaysQuery = 30,
    since: Annotated[datetime | None, Query(alias="from", description="only runs that started then or later")] = None,
    until: Annotated[datetime | None, Query(alias="to", description="only runs that started before")] = None,
    path: PathQuery = None,
    probe: ProbeQuery = None,
) -> Selection:
    """Return what a request is about."""
    return Selection(days, since, until, path, probe)


Selected = Annotated[Selection, Depends(read_selection)]


def router(site: Site) -> APIRouter:
    """Return the routes of the API."""
    routes = APIRouter()
    _add_runs(routes, site)
    _add_figures(routes, site)
    _add_lists(routes, site)
    _add_daemon(routes, site)
    return routes


def _add_runs(routes: APIRouter, site: Site) -> None:
    @routes.get("/api/v1/runs/{run_id}", response_model=Attempt, responses=ERRORS)
    def run(request: Request, run_id: RunId) -> Response:
        """Return everything that is stored about a run: its plan, raw output, diagnosis and trace."""
        return to_json(request, find_shown_attempt(site, run_id))

    @routes.get("/api/v1/latest", response_model=Run, responses=ERRORS)
    def latest(request: Request, probe: ProbeQuery = None) -> Response:
        """Return the newest run, whatever came of it; 404 before the first."""
        with open_reader(site.database) as connection:
            newest = read.last_run(connection, select_probes(connection, site, probe).pks)
        if newest is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "nothing has been measured yet")
        return to_json(request, newest)


def find_shown_attempt(site: Site, run_id: str) -> Attempt:
    """Return a run with everything that is stored about it.

    Raises:
        HTTPException: there is no such run, or the site does not show its probe.
    """
    with open_reader(site.database) as connection:
        shown = select_probes(connection, site, None).shown
        try:
            attempt = read.find_attempt(connection, run_id)
        except UsageError:
            attempt = None
    if attempt is None or attempt.run.probe not in shown:
        raise HTTPException(HTTPStatus.NOT_FOUND, "there is no run with this id")
    return attempt


def _add_figures(routes: APIRouter, site: Site) -> None:
    @routes.get("/api/v1/stats", response_model=WindowStats, responses=ERRORS)
    def stats(request: Request, selected: Selected) -> Response:
        """Return the figures of a window beside those of the window before it, and the share of the plan."""
        with open_reader(site.database) as connection:
            run_filter, selection = selected.of(connection, site)
            plan = selection.plan(site, selection.shown)
            return to_json(request, read_stats(connection, run_filter, plan))

    @routes.get("/api/v1/buckets", response_model=list[Bucket], responses=CSV_ANSWER | ERRORS)
    def buckets(
        request: Request,
        selected: Selected,
        page: AsList,
        most: MaxBucketsQuery = DEFAULT_BUCKETS,
        medians: MediansQuery = False,
    ) -> Response:
        """Return a window as buckets, oldest first; empty ones are left out."""
        with open_reader(site.database) as connection:
            run_filter, _ = selected.of(connection, site)
            rows = read_buckets(connection, run_filter, zone=site.zone, most=most, medians=medians)
        return to_list(request, rows, Bucket, page, "start")


def _add_lists(routes: APIRouter, site: Site) -> None:
    @routes.get("/api/v1/incidents", response_model=list[Incident], responses=CSV_ANSWER | ERRORS)
    def incidents(request: Request, selected: Selected, page: AsList) -> Response:
        """Return the outages of the line, newest first."""
        with open_reader(site.database) as connection:
            run_filter, _ = selected.of(connection, site)
            return to_list(request, read_incidents(connection, run_filter), Incident, page, "began", "probe", "path")

    @routes.get("/api/v1/servers", response_model=list[ServerStats], responses=CSV_ANSWER | ERRORS)
    def servers(request: Request, page: AsList, days: DaysQuery = 30, probe: OneProbeQuery = None) -> Response:
        """Return the servers that a probe has tested against, those with the most tests first."""
        since, _ = site.window(days)
        return to_list(
            request, server_stats(settings_of(site, probe), since), ServerStats, page, "engine", "id", "name"
        )

    @routes.get("/api/v1/usage", response_model=list[MonthlyUsage], responses=CSV_ANSWER | ERRORS)
    def usage(request: Request, page: AsList, months: MonthsQuery = 12, probe: OneProbeQuery = None) -> Response:
        """Return the data that the tests of a probe used, by month, newest first; months without tests are left out."""
        settings = settings_of(site, probe)
        used = monthly_usage(settings, months_back(site.clock(), site.zone, months))
        rows = [to_monthly_usage(month, settings.budget.month_gb) for month in used if month.tests]
        return to_list(request, rows, MonthlyUsage, page, "month")

    @routes.get("/api/v1/probes", response_model=list[ProbeState], responses=CSV_ANSWER | ERRORS)
    def probes(request: Request, page: AsList) -> Response:
        """Return the probes, sorted by name, each with its newest attempt."""
        with open_reader(site.database) as connection:
            rows = read_probe_states(connection, select_probes(connection, site, None))
        return to_list(request, rows, ProbeState, page, "probe")


def _add_daemon(routes: APIRouter, site: Site) -> None:
    @routes.get("/api/v1/progress", responses=documented_errors(403, 421, 503))
    def progress() -> RunningTest | None:
        """Return the running test, null if there is none."""
        return site.running()

    @routes.get("/api/v1/published", responses=documented_errors(403, 421, 503))
    def published() -> list[Published]:
        """Return the state of each file in the folder of [publish]; empty without one."""
        return list(site.published())

    @routes.head("/healthz", include_in_schema=False)
    @routes.get("/healthz")
    async def health() -> dict[str, str]:
        """Report that the daemon answers; says nothing about the internet line."""
        return {"status": "ok"}


def read_probe_states(connection: Connection, selection: ProbeSelection) -> list[ProbeState]:
    """Return the probes on offer, sorted by name."""
    statuses = tuple(status for status in Status if status is not Status.SKIPPED)
    attempts = _newest_of_probes(read.newest_runs(connection, statuses, probes=selection.pks))
    successes = _newest_of_probes(read.newest_runs(connection, (Status.OK,), probes=selection.pks))
    return [_to_probe_state(name, attempts.get(name), successes.get(name)) for name in selection.offered]


def _newest_of_probes(runs: list[Run]) -> dict[str, Run]:
    return {run.probe: run for run in sorted(runs, key=lambda run: run.started_at)}


def _to_probe_state(name: str, attempt: Run | None, success: Run | None) -> ProbeState:
    if attempt is None:
        return ProbeState(name)
    return ProbeState(name, attempt.id, attempt.started_at, attempt.status, success.started_at if success else None)


def settings_of(site: Site, probe: str | None) -> Settings:
    """Return the settings with the name of the probe that a request is about.

    By default it is this machine's, or the only one of a database from elsewhere.

    Raises:
        UnknownProbeError: the probe is not on offer.
    """
    with open_reader(site.database) as connection:
        selection = select_probes(connection, site, [probe] if probe else None)
    own = site.settings.probe.name
    name = probe or (selection.offered[0] if len(selection.offered) == 1 else own)
    return replace_settings(site.settings, probe=replace_settings(site.settings.probe, name=name))
