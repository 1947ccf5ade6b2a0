"""Bounded queues in front of the endpoints: what is slow must not block what is quick, and nobody waits for ever.

Graphs, API and pages each have a queue of their own. A request holds its place until its answer begins, so a client
that reads slowly blocks nobody. Where a queue is full, the answer is 503 with `Retry-After`.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from starlette.requests import Request

from web.errors import BusyError, busy_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


# Requests at work, and requests that wait, by the beginning of the path.
PLACES = {"/graph": (16, 60), "/api/": (4, 60), "/metrics": (1, 8), "/report/": (1, 4)}

OTHER_PLACES = (6, 90)

# These are quick, and a monitor must get an answer.
UNBOUNDED = ("/static/", "/healthz")


class WorkQueue:
    """Admits a number of requests at a time, and lets some more wait; used from one event loop.

    Args:
        active: how many may be at work.
        waiting: how many may wait.
    """

    def __init__(self, active: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(active)
        self._places = active + waiting
        self._admitted = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it.

        Raises:
            BusyError: too many wait already.
        """
        if self._admitted >= self._places:
            raise BusyError
        self._admitted += 1
        try:
            async with self._free:
                yield
        finally:
            self._admitted -= 1


class QueueMiddleware:
    """Puts each request into the queue of its path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._queues = {beginning: WorkQueue(*counts) for beginning, counts in PLACES.items()}
        self._other = WorkQueue(*OTHER_PLACES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on in its turn, or answer that there are too many."""
        if scope["type"] != "http" or scope["path"].startswith(UNBOUNDED):
            await self._app(scope, receive, send)
            return
        try:
            await self._pass_on(self._queue_of(scope["path"]), scope, receive, send)
        except BusyError as error:
            await busy_response(Request(scope), error)(scope, receive, send)

    def _queue_of(self, path: str) -> WorkQueue:
        return next((queue for start, queue in self._queues.items() if path.startswith(start)), self._other)

    async def _pass_on(self, queue: WorkQueue, scope: Scope, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as turn:

            async def send_in_turn(message: Message) -> None:
                await turn.aclose()
                await send(message)

            await turn.enter_async_context(queue.place())
            await self._app(scope, receive, send_in_turn)
