"""`/graph.png` and `/graph.svg`: the graph of a window, drawn once for each new run and cached.

Graphs are drawn one after another, each in a process of its own; see `web.graph_request`. Few may wait to be drawn:
whoever asks for more is told to come later. While a graph is drawn, no thread of the server waits for it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import math
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from monitor import __version__
from monitor.graph.render import DEFAULT_KIND, KINDS
from monitor.graph.svg_style import chart_stylesheet
from monitor.localtime import Window
from monitor.store import read
from monitor.store.connection import open_reader
from web.context import ProbeQuery, select_probes
from web.errors import BusyError, documented_errors
from web.graph_request import GraphRequest, draw_graph
from web.windows import ALL, WindowChoice, read_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.model import Plan
    from web.context import Site


# A PNG for a phone has twice the pixel density, and that of a kind which cannot be so narrow is as wide as it must be.
SIZES = {"wide": (1200, 840), "phone": (600, 900)}
SCALES = {"wide": 1.0, "phone": 2.0}

MAX_CACHED = 16

# Graphs that are being drawn, or wait to be.
MAX_PENDING = 6

# The window ends at a multiple of its length / STEPS (about a pixel), so that a graph stays valid between tests.
STEPS = 1000

DAY_S = 86_400

NOT_MODIFIED = 304

MEDIA_TYPES = {"png": "image/png", "svg": "image/svg+xml"}

SizeQuery = Annotated[Literal["wide", "phone"], Query(description="wide: 1200 x 840 pixels; phone: 1200 x 1800")]

KindQuery = Annotated[str, Query(alias="graph", pattern=f"^({'|'.join(KINDS)})$", description="the kind of graph")]

# The SVG has its rules with it, for whoever opens it by itself: allowed by their hash.
STYLE_HASH = base64.b64encode(hashlib.sha256(chart_stylesheet().encode()).digest()).decode()
SVG_POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"

KnownEtag = Annotated[str, Header(alias="If-None-Match", include_in_schema=False)]

T = TypeVar("T")


def router(site: Site) -> APIRouter:
    """Return the route of the graph."""
    routes = APIRouter()
    cache = GraphCache(site)

    def answers(media_type: str) -> dict[int | str, dict[str, Any]]:
        return {
            200: {"content": {media_type: {}}, "description": "the graph"},
            304: {"description": "not modified"},
            **documented_errors(404, 421, 422, 503),
        }

    @routes.get("/graph.png", response_class=Response, responses=answers("image/png"))
    async def picture(
        choice: Annotated[WindowChoice, Depends(read_choice)],
        size: SizeQuery = "wide",
        kind: KindQuery = DEFAULT_KIND,
        probe: ProbeQuery = None,
        known: KnownEtag = "",
    ) -> Response:
        """Draw the stored runs of a window."""
        key = await run_in_threadpool(cache.key, choice, GraphForm(kind, "png", size), probe)
        return await respond(key, known)

    @routes.get("/graph.svg", response_class=Response, responses=answers("image/svg+xml"))
    async def vector(
        choice: Annotated[WindowChoice, Depends(read_choice)],
        size: SizeQuery = "wide",
        kind: KindQuery = DEFAULT_KIND,
        probe: ProbeQuery = None,
        known: KnownEtag = "",
    ) -> Response:
        """Draw the stored runs of a window as SVG, for any screen and for paper; on a phone 390 pixels wide."""
        key = await run_in_threadpool(cache.key, choice, GraphForm(kind, "svg", size), probe)
        response = await respond(key, known)
        response.headers["Content-Security-Policy"] = SVG_POLICY
        return response

    @routes.get("/chart.css", include_in_schema=False)
    def stylesheet() -> Response:
        return Response(chart_stylesheet(), media_type="text/css", headers={"Cache-Control": "max-age=86400"})

    async def respond(key: GraphKey, known: str) -> Response:
        headers = {"ETag": key.etag, "Cache-Control": "private, no-cache"}
        if key.etag in known:
            return Response(status_code=NOT_MODIFIED, headers=headers)
        return Response(await cache.file(key), media_type=MEDIA_TYPES[key.form.format], headers=headers)

    return routes


@dataclass(frozen=True, slots=True)
class GraphForm:
    """Which kind of graph, as which file, for which screen."""

    kind: str
    format: Literal["png", "svg"]
    screen: str

    @property
    def size(self) -> tuple[int, int]:
        """Its size in pixels."""
        kind, size = KINDS[self.kind], SIZES[self.screen]
        if self.format == "svg":
            return kind.phone if self.screen == "phone" else kind.size
        fits = size[0] >= kind.smallest[0] and size[1] >= kind.smallest[1]
        return size if fits else kind.smallest if self.screen == "phone" else kind.size


@dataclass(frozen=True, slots=True)
class GraphKey:
    """Everything that a graph depends on."""

    window: Window
    form: GraphForm
    last_id: str | None
    plan: Plan
    title: str
    pks: tuple[int, ...]
    excluded: tuple[int, int]
    version: str = __version__

    @property
    def etag(self) -> str:
        """The entity tag (RFC 9110, section 8.8.3) of the graph."""
        return f'"{hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:32]}"'


def graph_window(site: Site, choice: WindowChoice, first: datetime | None) -> Window:
    """Return the window of a graph: one that ends now ends at the next step after it.

    Raises:
        UsageError: there is no such window.
    """
    window = choice.resolve(site, first)
    if choice.is_fixed:
        return window
    length = window.until - window.since
    until = end_of_window(site.clock(), length.total_seconds() / DAY_S)
    return Window(window.since if choice.days == ALL else until - length, until)


def end_of_window(now: datetime, days: float) -> datetime:
    """Return the end of a window of so many days: the next step after a moment."""
    step = max(1, int(days * DAY_S) // STEPS)
    return datetime.fromtimestamp((math.floor(now.timestamp() / step) + 1) * step, UTC)


class GraphCache:
    """The graphs of a site: draws one at a time, keeps the last few."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._worker = WorkerThread("graphs")
        self._lock = threading.Lock()
        self._graphs: OrderedDict[GraphKey, Future[bytes]] = OrderedDict()

    def key(self, choice: WindowChoice, form: GraphForm, probes: Sequence[str] | None) -> GraphKey:
        """Return what the graph depends on at this moment."""
        site = self._site
        with open_reader(site.database) as connection:
            selection = select_probes(connection, site, probes)
            last = read.last_run(connection, selection.pks)
            first = read.first_start(connection, selection.pks)
            excluded = read.exclusion_mark(connection)
        window = graph_window(site, choice, first)
        title = f"Internet speed at {selection.title(site)}"
        plan = selection.plan(site, selection.shown)
        return GraphKey(window, form, last.id if last else None, plan, title, selection.pks, excluded)

    async def file(self, key: GraphKey) -> bytes:
        """Return the graph, drawn unless it is cached.

        Raises:
            BusyError: too many others wait to be drawn.
        """
        # Shielded: others may wait for the same graph.
        return await asyncio.shield(asyncio.wrap_future(self._request(key)))

    def _request(self, key: GraphKey) -> Future[bytes]:
        with self._lock:
            if key in self._graphs:
                self._graphs.move_to_end(key)
                return self._graphs[key]
            if sum(not graph.done() for graph in self._graphs.values()) >= MAX_PENDING:
                raise BusyError
            self._graphs[key] = graph = self._worker.submit(lambda: self._draw(key))
        graph.add_done_callback(lambda _: self._drop_some(key))
        return graph

    def _drop_some(self, key: GraphKey) -> None:
        """Drop a graph that could not be drawn, and those that were not asked for of late."""
        with self._lock:
            if key in self._graphs and self._graphs[key].exception():
                del self._graphs[key]
            drawn = [key for key, graph in self._graphs.items() if graph.done()]
            for old in drawn[:-MAX_CACHED]:
                del self._graphs[old]

    def _draw(self, key: GraphKey) -> bytes:
        site, window = self._site, key.window
        return draw_graph(
            GraphRequest(
                site.database,
                window.since,
                window.until,
                key.pks,
                site.zone.key,
                key.plan,
                key.title,
                key.form.size,
                SCALES[key.form.screen],
                site.settings.display.plan_met_pct,
                key.form.kind,
                key.form.format,
            )
        )


class WorkerThread:
    """Runs functions one after another in a daemon thread, which starts at the first call and delays no shutdown."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Run a function in the thread; its result or exception is that of the future."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001  whoever called gets it
                future.set_exception(error)

        self._start()
        self._work.put(work)
        return future

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._work.get()()
