"""`/fleet`: all probes, those first that need attention. Whole without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from monitor.analysis.line_condition import LineCondition, StateLimits, judge_line
from monitor.model import Status
from monitor.output import units
from monitor.store import read
from monitor.store.connection import open_reader
from web import views
from web.context import render_template, select_probes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.analysis.line_condition import LineReport
    from monitor.model import Plan, Run
    from monitor.store.connection import Connection
    from web.context import ProbeSelection, Site

# What needs attention most comes first: a line that fails, then one of which nothing is heard.
ATTENTION = (
    LineCondition.FAILING,
    LineCondition.STALE,
    LineCondition.SLOW,
    LineCondition.UNKNOWN,
    LineCondition.GOOD,
)

# So many of the newest runs of each probe and path tell its state.
RUNS_PER_PROBE = 8

STATE_SIGNS = {"good": "✓", "slow": "↓", "failing": "!", "stale": "…", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """A probe: the state of its line, what its last result was, and its newest run; None where it has none."""

    name: str
    report: LineReport
    newest: Run | None
    plan: Plan

    @property
    def why(self) -> str:
        """What its newest run failed by, or how much of the plan or of what is normal its last result reached."""
        run = self.newest
        if run is None:
            return "no test"
        if run.failure and run.status is Status.FAILED:
            return f"{views.KIND_LABELS[run.failure.kind]}: {run.failure.message}"
        return views.share_text(self.report, self.plan)


def rank_probes(rows: Iterable[ProbeRow]) -> list[ProbeRow]:
    """Return the probes: by state, then those first that have been like that for longest, then by name."""

    def order(row: ProbeRow) -> tuple[int, float, str]:
        since = row.report.since
        return ATTENTION.index(row.report.state), since.timestamp() if since else 0.0, row.name

    return sorted(rows, key=order)


def router(site: Site) -> APIRouter:
    """Return the route of the page."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/fleet")
    def fleet() -> HTMLResponse:
        viewpoint = views.Viewpoint(site.clock(), site.zone)
        with open_reader(site.database) as connection:
            selection = select_probes(connection, site, None)
            rows = rank_probes(_read_rows(connection, site, selection))
        counts = {state: sum(row.report.state is state for row in rows) for state in ATTENTION}
        page = render_template(
            "fleet.html", rows=rows, counts=counts, signs=STATE_SIGNS, viewpoint=viewpoint, units=units
        )
        return HTMLResponse(page)

    return routes


def _read_rows(connection: Connection, site: Site, selection: ProbeSelection) -> list[ProbeRow]:
    runs_by_probe: dict[str, list[Run]] = {name: [] for name in selection.offered}
    newest = read.newest_runs_of_each(connection, RUNS_PER_PROBE, selection.pks)
    for run in newest:
        runs_by_probe[run.probe].append(run)
    stored_with = read.plans_by_run(connection, [run.id for run in newest])
    rows, limits = [], StateLimits.from_settings(site.settings)
    for name, runs in runs_by_probe.items():
        plan = selection.plan(site, [name])
        plans = [(run.started_at, stored_with[run.id]) for run in reversed(runs)]
        report = judge_line(runs, plans, site.clock(), limits)
        rows.append(ProbeRow(name, report, runs[0] if runs else None, plan))
    return rows
