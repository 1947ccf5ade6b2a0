"""The process of `speedmon serve`: listen, start the services, serve until a signal, shut down in order.

Everything ends within `GRACE_S` of the signal, even if something hangs. The log has one line per warning or error, on
stderr and without tracebacks; a line that repeats is counted. Connections are bounded by `web.connections`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
import threading
from typing import TYPE_CHECKING, Protocol

import uvicorn
from anyio.to_thread import current_default_thread_limiter

from monitor.errors import ServeError, SpeedmonError
from monitor.system.signals import Interrupts
from web import connections, logs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Receive, Scope, Send


# Time for a running test to record itself as interrupted, for open requests, and for the shutdown as a whole.
CHILD_S = 2.2
REQUESTS_S = 1
GRACE_S = 2.8

# By default uvicorn checks ten times a second whether to exit, which is most of the work of an idle daemon.
TICK_S = 0.5

# Threads in which pages and answers are made, each with a connection to the database.
THREADS = 16

# After a suspend, a missed slot is noticed within this time.
WAKE_S = 30

_log = logging.getLogger(__name__)


class Service(Protocol):
    """What runs next to the web server: scheduled tests, published files."""

    def start(self) -> None:
        """Start, in threads of its own."""

    def wake(self) -> None:
        """Check the clock: the machine may have been suspended."""

    def stop(self) -> None:
        """Start nothing new and ask what is running to end; does not wait."""

    def finish(self, seconds: float) -> None:
        """Wait at most `seconds` for what is running, then kill it."""


class ReloadableSite(Protocol):
    """What is served, and its services."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

    @property
    def services(self) -> Sequence[Service]:
        """The services that run now."""

    def reload(self) -> str:
        """Read the configuration again; return one line that says what came of it."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ServeError: the address is in use, not local, or needs privileges.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServeError(f"cannot listen on {host} port {port}: {reason}; set web.host and web.port") from error
    # Connections inherit it. Otherwise the end of each answer waits for the client's delayed acknowledgement, 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL of the page of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def run_server(site: ReloadableSite, listener: socket.socket, report: Callable[[str], None]) -> None:
    """Serve a site and run its services until SIGTERM or SIGINT; SIGHUP reloads it, or ends it if its terminal is gone.

    `report` gets the line that says what is served, and those of reloads.

    Raises:
        ServeError: the web server stopped unexpectedly.
    """
    with Interrupts(reloads=True) as interrupts:
        server = _WebServer(site, listener)
        server.start()
        for service in site.services:
            service.start()
        report(f"serving {url_of(listener)}")
        notify_systemd("READY=1")
        try:
            _wait_for_signal(interrupts, server, site, report)
        finally:
            _shut_down(server, site.services)


def notify_systemd(message: str) -> None:
    """Report a state to systemd, if it has started this process and waits for one (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
        sender.sendall(message.encode())


def _wait_for_signal(
    interrupts: Interrupts, server: _WebServer, site: ReloadableSite, report: Callable[[str], None]
) -> None:
    signals = interrupts.fileno()
    while interrupts.signal is None:
        select.select([] if signals is None else [signals], [], [], WAKE_S)
        interrupts.drain()
        if not server.is_alive():
            raise ServeError("the web server stopped unexpectedly; see the log lines above")
        if interrupts.take_reload():
            _reload(site, report)
        logs.report_repeats()
        for service in site.services:
            service.wake()


def _reload(site: ReloadableSite, report: Callable[[str], None]) -> None:
    """Reload a site; a mistake in the configuration is one line of the log."""
    try:
        report(site.reload())
    except (SpeedmonError, OSError) as error:
        _log.error("the configuration is not read again, the old one stays: %s", error)


def _shut_down(server: _WebServer, services: Sequence[Service]) -> None:
    """Stop the web server and the services together; after `GRACE_S` the process exits regardless."""
    last_resort = threading.Timer(GRACE_S, os._exit, (ServeError.exit_code,))
    last_resort.daemon = True
    last_resort.start()
    server.stop()
    for service in services:
        service.stop()
    for service in services:
        service.finish(CHILD_S)
    server.join()
    logs.report_repeats(at_once=True)


class _Uvicorn(uvicorn.Server):
    """uvicorn with few threads, checking less often whether to exit."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        current_default_thread_limiter().total_tokens = THREADS
        await super().startup(sockets)
        # asyncio accepts as many connections at a time as it lets the kernel keep: a few. The kernel may keep more.
        for listener in sockets or ():
            listener.listen(connections.BACKLOG)

    async def main_loop(self) -> None:
        """Update the Date header until `should_exit` is set."""
        while not await self.on_tick(0):  # noqa: ASYNC110  the tick itself keeps the Date header fresh
            await asyncio.sleep(TICK_S)


class _WebServer(threading.Thread):
    """uvicorn in a thread: outside of the main thread it does not handle signals."""

    def __init__(self, app: ReloadableSite, listener: socket.socket) -> None:
        super().__init__(name="web", daemon=True)
        config = uvicorn.Config(
            app,
            http=connections.BoundedProtocol.within(connections.max_connections()),
            loop="asyncio",
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            backlog=connections.ACCEPTED_AT_ONCE,
            h11_max_incomplete_event_size=connections.MAX_HEADER_BYTES,
            timeout_keep_alive=connections.KEEP_ALIVE_S,
            timeout_graceful_shutdown=REQUESTS_S,
        )
        self._listener = listener
        self._server = _Uvicorn(config)

    def run(self) -> None:
        """Serve until `stop` is called."""
        self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        """Ask the server to finish open requests and exit."""
        self._server.should_exit = True
