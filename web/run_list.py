"""`/api/v1/runs`: the stored runs, filtered and in pages, in the shapes of `history --json` and `--csv`.

A page is read in pieces, each with a connection of its own: while a client reads slowly, nothing is held but a few
hundred runs, and no transaction stays open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  annotations are read at run time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, model_validator
from starlette.requests import Request  # noqa: TC002  annotations are read at run time
from starlette.responses import Response  # noqa: TC002  annotations are read at run time

from monitor.model import FailureKind, NetworkPath, Run, Scope, Status, Trigger
from monitor.output.export import to_csv_lines, to_json_array
from monitor.store import read
from monitor.store.connection import open_reader
from web.answers import (
    CSV_ANSWER,
    CSV_TYPE,
    FORMAT_HELP,
    JSON_TYPE,
    Format,
    next_link,
    to_answer,
    to_stream,
    wants_csv,
)
from web.context import MAX_DAYS, select_probes
from web.errors import documented_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.store.read import Position, RunSearch
    from web.context import Site


DEFAULT_RUNS = 100

# A page of this length is some 7 MB of JSON.
MAX_RUNS = 10_000

# Runs that are in memory at a time. A page that is no longer has an entity tag.
PIECE = 200

CURSOR_PATTERN = r"^-?\d{1,15}\.\d{1,18}$"


class RunsQuery(BaseModel):
    """The parameters of the list of runs. An empty text is no filter: forms send one for each field."""

    days: int = Field(30, ge=1, le=MAX_DAYS, description="how many days to look back")
    since: datetime | None = Field(None, alias="from", description="only runs that started then or later")
    until: datetime | None = Field(None, alias="to", description="only runs that started before")
    limit: int = Field(DEFAULT_RUNS, ge=1, le=MAX_RUNS, description="at most this many runs, the newest")
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN, description="the end of the page before, from `Link`")
    status: Status | None = Field(None, description="only runs of this status")
    scope: Scope | None = Field(None, description="only failures by the fault of this one")
    kind: FailureKind | None = Field(None, description="only failures of this kind")
    trigger: Trigger | None = Field(None, description="only runs that were started this way")
    path: NetworkPath | None = Field(None, description="only runs over this path")
    server: str | None = Field(None, description="only runs with the server of this id")
    isp: str | None = Field(None, description="only runs over this ISP")
    address: str | None = Field(None, description="only runs from this external address")
    probe: list[str] | None = Field(None, description="only runs of this probe; can be repeated")
    as_format: Format = Field(None, alias="format", description=FORMAT_HELP)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value not in ("", [""])}


def router(site: Site) -> APIRouter:
    """Return the route of the list."""
    routes = APIRouter()

    # Runs are encoded as `history --json` encodes them; the model is there for /openapi.json.
    @routes.get(
        "/api/v1/runs", response_model=list[Run], responses=CSV_ANSWER | documented_errors(403, 404, 421, 422, 503)
    )
    def runs(request: Request, query: Annotated[RunsQuery, Query()]) -> Response:
        """Return the stored runs, newest first, in pages: `Link` leads to the next."""
        page = RunPage(site.database, to_search(site, query), query.limit, to_position(query.cursor))
        end = page.end()
        headers = next_link(request, f"{end[0]}.{end[1]}") if end else {}
        as_csv = wants_csv(request, query.as_format)
        lines = to_csv_lines(page.runs()) if as_csv else to_json_array(page.runs())
        media_type = CSV_TYPE if as_csv else JSON_TYPE
        if query.limit <= PIECE:
            return to_answer(request, "".join(lines).encode(), media_type, headers)
        return to_stream(lines, media_type, headers)

    return routes


def to_search(site: Site, query: RunsQuery) -> RunSearch:
    """Return what a request selects.

    Raises:
        UnknownProbeError: a probe is not on offer.
        StoreError: the store cannot be read.
    """
    window = site.window(query.days, query.since, query.until)
    with open_reader(site.database) as connection:
        pks = select_probes(connection, site, query.probe).pks
    return read.RunSearch(
        read.RunFilter(*window, query.path, pks),
        query.status,
        query.scope,
        query.kind,
        query.trigger,
        query.server,
        query.isp,
        query.address,
    )


def to_position(cursor: str | None) -> Position | None:
    """Return the position after which a page begins."""
    if cursor is None:
        return None
    started, _, pk = cursor.partition(".")
    return int(started), int(pk)


@dataclass(frozen=True, slots=True)
class RunPage:
    """A page of a list: at most `limit` of the runs that follow a position."""

    database: str
    search: RunSearch
    limit: int
    after: Position | None

    def end(self) -> Position | None:
        """Return the position of the last run of the page; None if no page follows."""
        with open_reader(self.database) as connection:
            return read.page_end(connection, self.search, limit=self.limit, after=self.after)

    def runs(self) -> Iterator[Run]:
        """Yield the runs."""
        left, after = self.limit, self.after
        while left:
            size = min(PIECE, left)
            with open_reader(self.database) as connection:
                piece = read.read_page(connection, self.search, limit=size, after=after)
            yield from (run for _, run in piece)
            if len(piece) < size:
                return
            left, after = left - size, piece[-1][0]
