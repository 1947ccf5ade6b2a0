"""`/report`: the report of the last days, to open or to download; made by a process of its own, one at a time."""

from __future__ import annotations

import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from starlette.responses import HTMLResponse, Response

from monitor.scheduler.subprocesses import LowPriorityRunner, speedmon_command
from monitor.store.connection import open_reader
from monitor.system import lock
from web.api import DaysQuery  # noqa: TC001  annotations are read at run time
from web.context import render_template, select_probes
from web.errors import documented_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.config.settings import Settings
    from web.context import Site


# A report of ten years on a small board, and how long to wait for a test to end.
DEADLINE_S, PATIENCE_S = 300, 300

MEDIA_TYPES = {"html": "text/html; charset=utf-8", "pdf": "application/pdf", "csv": "text/csv; charset=utf-8"}

DOCUMENT_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind.partition(";")[0]: {} for kind in MEDIA_TYPES.values()}}
}

# A report is one file with its styles and pictures in it.
REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

FormQuery = Annotated[Literal["html", "pdf", "csv"], Query(alias="format", description="html, pdf, or csv: its data")]

SaveQuery = Annotated[bool, Query(description="download it, rather than open it")]


class ReportMaker:
    """Makes reports in child processes, which give way to tests.

    Args:
        settings: all settings.
        config: the configuration file for the children; None: they look for it themselves.
        options: options of `speedmon report` that choose database and probes.
    """

    def __init__(self, settings: Settings, config: Path | None, options: Sequence[str] = ()) -> None:
        self._settings = settings
        self._config = config
        self._options = options

    def make(self, days: int, form: str) -> bytes:
        """Return a report of the last days, or its data.

        Raises:
            SpeedmonError: it could not be made, or a test did not end.
        """
        runner = LowPriorityRunner(lambda: lock.is_held(self._settings.collect.lock_file), DEADLINE_S, PATIENCE_S)
        with tempfile.TemporaryDirectory(prefix="speedmon-report-") as folder:
            document = f"{folder}/report.{'html' if form == 'csv' else form}"
            runner.run(
                speedmon_command(
                    self._config, "report", "-q", "--days", str(days), "--output", document, *self._options
                )
            )
            return Path(folder, f"report.{form}").read_bytes()


def router(site: Site) -> APIRouter:
    """Return the routes."""
    routes = APIRouter()

    @routes.api_route("/report", methods=["GET", "HEAD"], include_in_schema=False)
    def page(days: DaysQuery = 30) -> HTMLResponse:
        with open_reader(site.database) as connection:
            title = select_probes(connection, site, None).title(site)
        return HTMLResponse(render_template("report.html", probe=title, days=days, can_make=site.reports is not None))

    @routes.get(
        "/report/document",
        response_class=Response,
        responses=DOCUMENT_ANSWER | documented_errors(401, 403, 409, 421, 422, 503),
    )
    def document(days: DaysQuery = 30, form: FormQuery = "html", save: SaveQuery = False) -> Response:
        """Return a report of the last days for the ISP; it takes some seconds to make."""
        if site.reports is None:
            raise HTTPException(HTTPStatus.CONFLICT, "this page makes no reports: run `speedmon report`")
        with open_reader(site.database):  # an error of the store has its own answer
            pass
        shown = "inline" if form == "html" and not save else "attachment"
        headers = {
            "Content-Disposition": f'{shown}; filename="speedmon-{days}d-report.{form}"',
            "Cache-Control": "private, no-store",
        }
        headers |= {"Content-Security-Policy": REPORT_POLICY} if form == "html" else {}
        return Response(site.reports.make(days, form), media_type=MEDIA_TYPES[form], headers=headers)

    return routes
