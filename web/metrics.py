"""`/metrics`: the stored runs for Prometheus; see `monitor.prometheus.collector` for the names."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import Response

from web.errors import documented_errors

if TYPE_CHECKING:
    from monitor.prometheus.collector import StoreCollector
    from web.context import Site


def router(site: Site) -> APIRouter:
    """Return the route of the metrics."""
    routes = APIRouter()
    text: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

    @cache
    def collector() -> StoreCollector:
        from monitor.prometheus.collector import StoreCollector  # noqa: PLC0415  a page does not need the library

        return StoreCollector(site.settings, site.clock, site.probes)

    @routes.get("/metrics", response_class=Response, responses=text | documented_errors(403, 421, 503))
    def metrics() -> Response:
        """Return the metrics in the text format of Prometheus, read from the store now."""
        from monitor.prometheus.collector import CONTENT_TYPE, render_metrics  # noqa: PLC0415  the same

        return Response(
            render_metrics(collector()), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
        )

    return routes
