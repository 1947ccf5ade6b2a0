"""HTTP/1.1 connections within limits: how many there are, and how long a client may take.

uvicorn has no deadline for headers, for a body, or for a client that reads nothing of an answer. Such connections would
use up the descriptors that a scheduled test needs to start. Here, a request must arrive in time. If there are too many
connections, the oldest that waits for its client is closed for the new one; if all are at work, the new one gets 503.
"""

from __future__ import annotations

import json
import resource
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope


MAX_CONNECTIONS = 100

# Descriptors for everything else: the database, children and their pipes, the event loop.
RESERVED_DESCRIPTORS = 120

MIN_CONNECTIONS = 8

# How many connections are accepted at a time: they exceed the limit until the loop comes round to them.
ACCEPTED_AT_ONCE = 8

# Connections that the kernel completes before they are accepted.
BACKLOG = 128

# Headers and body of a request must arrive within this time, on a new connection and after an answer.
REQUEST_S = 10.0

# Pause after an answer in which the next request must begin to arrive.
KEEP_ALIVE_S = 5

# A client must take something of its answer within this time.
STALLED_S = 20.0

MAX_HEADER_BYTES = 16_384

RETRY_AFTER_S = 2


def max_connections(descriptors: int | None = None) -> int:
    """Return how many connections fit into the limit of open files, by default that of this process."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if descriptors is None else descriptors
    if limit == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(MIN_CONNECTIONS, (limit - RESERVED_DESCRIPTORS) // 2))


class ConnectionTable:
    """The open connections of a server.

    Args:
        limit: how many may be open; a quarter more while they are told to come later.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._most = limit + max(1, limit // 4)
        self._open: set[BoundedProtocol] = set()
        # In the order in which they began to wait for their client.
        self._waiting: dict[BoundedProtocol, None] = {}

    def admit(self, connection: BoundedProtocol) -> bool:
        """Add a new connection, closing another if there are too many; return whether it may be served."""
        if len(self._open) >= self._limit:
            for oldest in [*self._waiting][: len(self._open) - self._limit + 1]:
                self.remove(oldest)
                oldest.transport.abort()
        self._open.add(connection)
        if len(self._open) > self._most:
            connection.transport.abort()
        return len(self._open) <= self._limit

    def remove(self, connection: BoundedProtocol) -> None:
        """Forget a connection that is closed."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def set_waiting(self, connection: BoundedProtocol, *, waiting: bool) -> None:
        """Set whether a connection waits for its client: for a request, or for an answer to be read."""
        if waiting and connection in self._open:
            self._waiting.setdefault(connection)
        else:
            self._waiting.pop(connection, None)


class BoundedProtocol(H11Protocol):
    """A connection that is closed if its client takes too long."""

    table: ConnectionTable

    _deadline: asyncio.TimerHandle | None = None
    _unsent = 0

    @classmethod
    def within(cls, limit: int) -> type[BoundedProtocol]:
        """Return the class for the connections of one server, of which there may be `limit`."""
        return type(cls.__name__, (cls,), {"table": ConnectionTable(limit)})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time for the first request, or refuse the connection."""
        super().connection_made(transport)
        if not self.table.admit(self):
            self.app = refuse
        self._wait_for_client(REQUEST_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self.table.remove(self)
        self._stop_waiting()

    def data_received(self, data: bytes) -> None:
        """Stop the time once a request is complete."""
        super().data_received(data)
        self._check_request()

    def on_response_complete(self) -> None:
        """Start the time for the next request, and for the client to read what was not sent yet."""
        answered = self.cycle
        super().on_response_complete()
        self._wait_for_client(REQUEST_S)
        self._check_request()
        # Nobody will read the rest of the body of a request that is answered.
        if answered.more_body and not self.transport.is_closing():
            self.transport.close()

    def pause_writing(self) -> None:
        """Start the time for the client to read its answer."""
        super().pause_writing()
        self._wait_for_client(STALLED_S)

    def resume_writing(self) -> None:
        """Stop that time."""
        super().resume_writing()
        self._check_request()

    def _check_request(self) -> None:
        """Stop waiting if a complete request is being answered, and the client reads the answer."""
        cycle = self.cycle
        is_complete = cycle is not None and not cycle.more_body and not cycle.response_complete
        if is_complete and not self.flow.write_paused:
            self._stop_waiting()
            self.table.set_waiting(self, waiting=False)

    def _wait_for_client(self, seconds: float) -> None:
        self._stop_waiting()
        self._unsent = self.transport.get_write_buffer_size()
        self._deadline = self.loop.call_later(seconds, self._expire)
        self.table.set_waiting(self, waiting=True)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        """Close the connection, unless the client is still reading."""
        if 0 < self.transport.get_write_buffer_size() < self._unsent:
            self._wait_for_client(STALLED_S)
        else:
            self.transport.abort()


async def refuse(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:  # noqa: ARG001  ASGI
    """Answer 503, in the shape of all errors, and close the connection."""
    error = {"code": "busy", "message": f"too many visitors; try again in {RETRY_AFTER_S} s"}
    headers = [
        (b"content-type", b"application/json"),
        (b"retry-after", str(RETRY_AFTER_S).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": error}).encode(), "more_body": False})
