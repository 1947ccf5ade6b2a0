"""`/graph.png`: the graph of the last days, drawn once for each new run and cached.

Graphs are drawn one after another, each in a process of its own; see `web.graph_request`. Few may wait to be drawn:
whoever asks for more is told to come later. While a graph is drawn, no thread of the server waits for it.
"""

from __future__ import annotations

import asyncio
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


# For a screen, and for a phone with twice the pixel density.
SIZES = {"wide": (1200, 840), "phone": (600, 900)}
SCALES = {"wide": 1.0, "phone": 2.0}

MAX_CACHED = 8

# Graphs that are being drawn, or wait to be.
MAX_PENDING = 6

# The window ends at a multiple of its length / STEPS (about a pixel), so that a graph stays valid between tests.
STEPS = 1000

DAY_S = 86_400

NOT_MODIFIED = 304

SizeQuery = Annotated[Literal["wide", "phone"], Query(description="wide: 1200 x 840 pixels; phone: 1200 x 1800")]

KnownEtag = Annotated[str, Header(alias="If-None-Match", include_in_schema=False)]

T = TypeVar("T")


def router(site: Site) -> APIRouter:
    """Return the route of the graph."""
    routes = APIRouter()
    cache = GraphCache(site)
    answers: dict[int | str, dict[str, Any]] = {
        200: {"content": {"image/png": {}}, "description": "the graph"},
        304: {"description": "not modified"},
    }

    @routes.get("/graph.png", response_class=Response, responses=answers | documented_errors(404, 421, 422, 503))
    async def picture(
        choice: Annotated[WindowChoice, Depends(read_choice)],
        size: SizeQuery = "wide",
        probe: ProbeQuery = None,
        known: KnownEtag = "",
    ) -> Response:
        """Draw the stored runs of a window."""
        key = await run_in_threadpool(cache.key, choice, size, probe)
        headers = {"ETag": key.etag, "Cache-Control": "private, no-cache"}
        if key.etag in known:
            return Response(status_code=NOT_MODIFIED, headers=headers)
        return Response(await cache.png(key), media_type="image/png", headers=headers)

    return routes


@dataclass(frozen=True, slots=True)
class GraphKey:
    """Everything that a graph depends on."""

    window: Window
    size: str
    last_id: str | None
    plan: Plan
    title: str
    pks: tuple[int, ...]
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

    def key(self, choice: WindowChoice, size: str, probes: Sequence[str] | None) -> GraphKey:
        """Return what the graph depends on at this moment."""
        site = self._site
        with open_reader(site.database) as connection:
            selection = select_probes(connection, site, probes)
            last = read.last_run(connection, selection.pks)
            first = read.first_start(connection, selection.pks)
        window = graph_window(site, choice, first)
        title = f"Internet speed at {selection.title(site)}"
        return GraphKey(
            window, size, last.id if last else None, selection.plan(site, selection.shown), title, selection.pks
        )

    async def png(self, key: GraphKey) -> bytes:
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
                SIZES[key.size],
                SCALES[key.size],
                site.settings.display.plan_met_pct,
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
