"""The JSON API: the stored runs in the shape of `history --json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from msgspec.json import encode
from starlette.responses import Response

from monitor.collect.progress import RunningTest  # noqa: TC001  annotations are read at run time
from monitor.model import NetworkPath
from monitor.scheduler.publish import Published  # noqa: TC001  annotations are read at run time
from monitor.store import read
from monitor.store.buckets import DEFAULT_BUCKETS, MAX_BUCKETS, Bucket, read_buckets
from monitor.store.connection import open_reader
from web.context import MAX_DAYS, ProbeQuery, select_probes
from web.errors import documented_errors

if TYPE_CHECKING:
    from web.context import Site


DaysQuery = Annotated[int, Query(ge=1, le=MAX_DAYS, description="how many days to look back")]

MaxBucketsQuery = Annotated[int, Query(ge=1, le=MAX_BUCKETS, description="at most this many buckets")]

PathQuery = Annotated[NetworkPath | None, Query(description="only runs over this path")]


def router(site: Site) -> APIRouter:
    """Return the routes of the API."""
    routes = APIRouter()

    # Encoded by msgspec: several times as fast as FastAPI for this many small objects.
    @routes.get("/api/v1/buckets", response_model=list[Bucket], responses=documented_errors(404, 421, 422, 503))
    def buckets(
        days: DaysQuery = 30,
        most: MaxBucketsQuery = DEFAULT_BUCKETS,
        path: PathQuery = None,
        probe: ProbeQuery = None,
        medians: bool = False,
    ) -> Response:
        """Return the window as at most `most` buckets, oldest first; empty ones are left out."""
        since, until = site.window(days)
        with open_reader(site.database) as connection:
            run_filter = read.RunFilter(since, until, path, select_probes(connection, site, probe).pks)
            bucket_list = read_buckets(connection, run_filter, zone=site.zone, most=most, medians=medians)
        return Response(encode(bucket_list), media_type="application/json", headers={"Cache-Control": "no-cache"})

    @routes.get("/api/v1/progress", responses=documented_errors(421))
    def progress() -> RunningTest | None:
        """Return the running test, null if there is none."""
        return site.running()

    @routes.get("/api/v1/published", responses=documented_errors(421))
    def published() -> list[Published]:
        """Return the state of each file in the folder of [publish]; empty without one."""
        return list(site.published())

    @routes.head("/healthz", include_in_schema=False)
    @routes.get("/healthz")
    def health() -> dict[str, str]:
        """Report that the daemon answers; says nothing about the internet line."""
        return {"status": "ok"}

    return routes
