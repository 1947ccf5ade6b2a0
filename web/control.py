"""Acting on the page and through the API: run a test, cancel it, pause the schedule, exclude a run and undo that.

`web.entrance` has let in only who may act, before anything here is called. The forms of the page are plain HTML: what
they ask for is done, and the browser is sent back to a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  annotations are read at run time
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from fastapi import APIRouter, Body, HTTPException
from starlette.requests import Request  # noqa: TC002  annotations are read at run time
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from monitor.collect.progress import RunningTest  # noqa: TC001  annotations are read at run time
from monitor.errors import UsageError
from monitor.model import Run
from monitor.scheduler.requested import RequestedTests, TestRunningError
from monitor.store import pause, read
from monitor.store.connection import open_reader, open_writer
from monitor.store.write import MAX_REASON, exclude_run
from web.answers import to_json
from web.api import RunId, find_shown_attempt
from web.context import link, render_template, select_probes
from web.errors import documented_errors
from web.schedule_words import describe_schedule
from web.views import Viewpoint, describe_running_test

if TYPE_CHECKING:
    from pathlib import Path

    from web.context import Site


# So many runs are looked at for a rhythm.
RHYTHM_RUNS = 50

ReasonBody = Annotated[str, Body(embed=True, min_length=1, max_length=MAX_REASON, description="why it does not count")]

LengthBody = Annotated[str, Body(max_length=40, description="how long, such as 30m, 2h or 3d")]

PauseReasonBody = Annotated[str, Body(max_length=200, description="why")]

NO_TESTS = "this page runs no tests: its database is another machine's"

ACTION_ERRORS = documented_errors(401, 403, 409, 413, 421, 422, 429, 503)


@dataclass(frozen=True, slots=True)
class StartedTest:
    """A test that was asked for: the id that its row will have."""

    id: str


@dataclass(frozen=True, slots=True)
class PauseState:
    """A pause of the schedule: when it ends, and why; the reason may be empty."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class CurrentTest:
    """The running test; `id` is that of its row if it was asked for on the page, where it can be cancelled.

    `problem` says why the last test that was asked for has no row; empty if it has.
    """

    id: str | None
    progress: RunningTest | None
    text: str
    problem: str


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()
    _add_tests(routes, site)
    _add_pause(routes, site)
    _add_exclusions(routes, site)
    _add_forms(routes, site)
    return routes


def _add_tests(routes: APIRouter, site: Site) -> None:
    @routes.post("/api/v1/tests", status_code=202, response_model=StartedTest, responses=ACTION_ERRORS)
    def start() -> Response:
        """Run a test now; 409 while one is running. Its row has the id that is returned, whatever comes of it."""
        run_id = tests_of(site).request()
        headers = {"Location": link(f"/api/v1/runs/{run_id}")}
        return JSONResponse({"id": run_id}, HTTPStatus.ACCEPTED, headers)

    @routes.get("/api/v1/tests/current", response_model=CurrentTest, responses=documented_errors(401, 403, 421, 503))
    def current(request: Request) -> Response:
        """Return the running test: phase, rate, and how long it is expected to take."""
        return to_json(request, current_test(site))

    @routes.delete("/api/v1/tests/current", status_code=202, response_model=StartedTest, responses=ACTION_ERRORS)
    def cancel() -> Response:
        """Cancel the test that was asked for on the page; it is stored as interrupted. 409 if there is none."""
        return JSONResponse({"id": cancel_test(site)}, HTTPStatus.ACCEPTED)


def _add_pause(routes: APIRouter, site: Site) -> None:
    errors = documented_errors(401, 403, 421, 503)

    @routes.get("/api/v1/pause", response_model=PauseState | None, responses=errors)
    def paused(request: Request) -> Response:
        """Return until when no scheduled test starts; null if the schedule is not paused."""
        return to_json(request, pause_state(site))

    @routes.post("/api/v1/pause", response_model=PauseState, responses=ACTION_ERRORS)
    def begin(request: Request, length: LengthBody, reason: PauseReasonBody = "") -> Response:
        """Start no scheduled test for so long; another pause takes the place of one before."""
        return to_json(request, begin_pause(site, length, reason))

    @routes.delete("/api/v1/pause", status_code=204, response_class=Response, responses=ACTION_ERRORS)
    def end() -> Response:
        """End the pause."""
        pause.end_pause(pause_file_of(site))
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_exclusions(routes: APIRouter, site: Site) -> None:
    errors = ACTION_ERRORS | documented_errors(404)

    @routes.put("/api/v1/runs/{run_id}/exclusion", response_model=Run, responses=errors)
    def exclude(request: Request, run_id: RunId, reason: ReasonBody) -> Response:
        """Leave a run out of all statistics; it is kept, and shown with the reason."""
        return to_json(request, set_exclusion(site, run_id, reason))

    @routes.delete("/api/v1/runs/{run_id}/exclusion", response_model=Run, responses=errors)
    def include(request: Request, run_id: RunId) -> Response:
        """Count a run again."""
        return to_json(request, set_exclusion(site, run_id, None))


def _add_forms(routes: APIRouter, site: Site) -> None:
    @routes.api_route("/test", methods=["GET", "HEAD"], include_in_schema=False)
    def page(request: Request) -> HTMLResponse:
        return HTMLResponse(_render(site, request))

    @routes.post("/test", include_in_schema=False)
    def act(request: Request) -> Response:
        action = request.scope["form"].get("action")
        try:
            if action == "start":
                tests_of(site).request()
            elif action == "cancel":
                cancel_test(site)
            elif action == "pause":
                form: dict[str, str] = request.scope["form"]
                begin_pause(site, form.get("length", ""), form.get("reason", ""))
            elif action == "resume":
                pause.end_pause(pause_file_of(site))
        except (TestRunningError, UsageError, HTTPException) as error:
            problem = error.detail if isinstance(error, HTTPException) else str(error)
            return HTMLResponse(_render(site, request, problem), HTTPStatus.CONFLICT)
        return RedirectResponse(link("/test"), HTTPStatus.SEE_OTHER)

    @routes.post("/runs/{run_id}/exclusion", include_in_schema=False)
    def exclude(request: Request, run_id: RunId) -> Response:
        form: dict[str, str] = request.scope["form"]
        set_exclusion(site, run_id, None if "undo" in form else form.get("reason", ""))
        return RedirectResponse(link(f"/runs/{quote(run_id)}"), HTTPStatus.SEE_OTHER)


def tests_of(site: Site) -> RequestedTests:
    """Return what runs the tests of a site.

    Raises:
        HTTPException: the site runs none.
    """
    if site.requested is None:
        raise HTTPException(HTTPStatus.CONFLICT, NO_TESTS)
    return site.requested


def pause_file_of(site: Site) -> Path:
    """Return the file of the pause.

    Raises:
        HTTPException: the schedule is another machine's.
    """
    if site.pause_file is None:
        raise HTTPException(HTTPStatus.CONFLICT, NO_TESTS)
    return site.pause_file


def begin_pause(site: Site, length: str, reason: str) -> PauseState:
    """Pause the schedule.

    Raises:
        UsageError: the length is none.
        OutputError: the pause cannot be kept.
    """
    new = pause.make_pause(site.clock(), pause.parse_duration(length), reason)
    pause.save_pause(pause_file_of(site), new)
    return PauseState(new.ends_at, new.reason)


def pause_state(site: Site) -> PauseState | None:
    """Return the pause that holds now."""
    held = site.paused()
    return PauseState(held.ends_at, held.reason) if held else None


def cancel_test(site: Site) -> str:
    """Cancel the test that was asked for; return its id.

    Raises:
        HTTPException: there is none.
    """
    cancelled = tests_of(site).cancel()
    if cancelled is None:
        running = " that is running was not started on the page" if site.running() else " is running"
        raise HTTPException(
            HTTPStatus.CONFLICT, f"nothing to cancel: {'the test' if site.running() else 'no test'}{running}"
        )
    return cancelled


def current_test(site: Site) -> CurrentTest:
    """Return the running test."""
    progress, requested = site.running(), site.requested
    run_id = requested.current if requested else None
    text = describe_running_test(progress) if progress else "starting" if run_id else ""
    return CurrentTest(run_id, progress, text, requested.problem if requested else "")


def set_exclusion(site: Site, run_id: str, reason: str | None) -> Run:
    """Exclude a run, or count it again; return it.

    Raises:
        HTTPException: there is no such run here.
        UsageError: the reason is empty.
        StoreError: the store cannot be written.
    """
    find_shown_attempt(site, run_id)
    with open_writer(site.database) as connection:
        exclude_run(connection, run_id, reason)
    return find_shown_attempt(site, run_id).run


def _render(site: Site, request: Request, problem: str = "") -> str:
    with open_reader(site.database) as connection:
        selection = select_probes(connection, site, None)
        newest = read.latest_runs(connection, limit=RHYTHM_RUNS, probes=selection.pks)
    viewpoint = Viewpoint(site.clock(), site.zone)
    return render_template(
        "test.html",
        probe=selection.title(site),
        current=current_test(site),
        can_run=site.requested is not None,
        may_act=request.scope["visitor"].may_act,
        form_token=request.scope["form_token"],
        schedule=describe_schedule(site.next_slot(), newest, viewpoint),
        last=newest[0] if newest else None,
        viewpoint=viewpoint,
        problem=problem,
        paused=pause_state(site),
        can_pause=site.pause_file is not None,
    )
