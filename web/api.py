"""The JSON API: the stored runs in the shape of `history --json`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from msgspec.json import encode
from starlette.responses import Response

from monitor.export import json_array
from monitor.live import Moment  # noqa: TC001  FastAPI reads the annotation
from monitor.model import Path, Run, Status
from monitor.publish import Published  # noqa: TC001  the same
from monitor.store import read
from monitor.store.buckets import MOST as MOST_BUCKETS
from monitor.store.buckets import USUAL
from monitor.store.open import open_reader
from web.choice import Asked, choose
from web.problems import documented

if TYPE_CHECKING:
    from web.site import Site

MOST = 100_000

Days = Annotated[int, Query(ge=1, le=3660, description="how many days to look back")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="at most this many runs, the newest")]
Most = Annotated[int, Query(ge=1, le=MOST_BUCKETS, description="at most this many buckets")]
Over = Annotated[Path | None, Query(description="only runs over this path")]
Only = Annotated[Status | None, Query(description="only runs of this status")]


def router(site: Site) -> APIRouter:
    """Return the routes of the API."""
    routes = APIRouter()

    # Runs are encoded as `history --json` encodes them; the model is there for /openapi.json.
    @routes.get("/api/v1/runs", response_model=list[Run], responses=documented(404, 421, 422, 503))
    def runs(days: Days = 30, limit: Limit = 10_000, status: Only = None, probe: Asked = None) -> Response:
        """Return the stored runs, newest first."""
        since, until = site.window(days)
        with open_reader(site.database) as connection:
            chosen = choose(connection, site, probe).rows
            stored = read.runs(connection, since=since, until=until, probes=chosen, newest_first=True)
            matching = (run for run in stored if status in (None, run.status))
            text = "".join(json_array(islice(matching, limit)))
        return Response(text, media_type="application/json", headers={"Cache-Control": "no-cache"})

    # Encoded by msgspec: several times as fast as FastAPI for this many small objects.
    @routes.get("/api/v1/buckets", response_model=list[read.Bucket], responses=documented(404, 421, 422, 503))
    def buckets(
        days: Days = 30, most: Most = USUAL, path: Over = None, probe: Asked = None, medians: bool = False
    ) -> Response:
        """Return the window as at most `most` buckets, oldest first; empty ones are left out."""
        since, until = site.window(days)
        with open_reader(site.database) as connection:
            chosen = read.RunFilter(since, until, path, choose(connection, site, probe).shown)
            found = read.buckets(connection, chosen, zone=site.zone, most=most, medians=medians)
        return Response(encode(found), media_type="application/json", headers={"Cache-Control": "no-cache"})

    @routes.get("/api/v1/progress", responses=documented(421))
    def progress() -> Moment | None:
        """Return the running test, null if there is none."""
        return site.running()

    @routes.get("/api/v1/published", responses=documented(421))
    def published() -> list[Published]:
        """Return the state of each file in the folder of [publish]; empty without one."""
        return list(site.published())

    @routes.head("/healthz", include_in_schema=False)
    @routes.get("/healthz")
    def health() -> dict[str, str]:
        """Report that the daemon answers; says nothing about the internet line."""
        return {"status": "ok"}

    return routes
