"""The life of `speedmon serve`: listen, start the schedule, answer until a signal comes, end in order.

Everything ends within `GRACE_S` of the signal, whatever hangs: systemd and the user at the terminal wait for no one.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
from typing import TYPE_CHECKING, Protocol

import uvicorn

from monitor.errors import ServeError
from monitor.interrupts import Interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from web.guard import Guard

# A test gets this long to record itself as interrupted, open requests this long to be answered, all together the last.
CHILD_S = 2.2
REQUESTS_S = 1
GRACE_S = 2.8
# uvicorn looks ten times a second whether it should end, which is most of what an idle daemon does.
TICK_S = 0.5
# A machine that slept notices so soon after that a slot has passed.
WAKE_S = 30


class Service(Protocol):
    """What runs beside the web server: the tests, the pictures in a folder."""

    def start(self) -> None:
        """Begin; what there is to do is done in threads of its own."""

    def wake(self) -> None:
        """Look at the clock: the machine may have been asleep."""

    def stop(self) -> None:
        """Begin nothing new and ask what runs to end; does not wait."""

    def finish(self, seconds: float) -> None:
        """Wait so many seconds for what runs, then end it."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        ServeError: the address is in use, not this machine's or not ours to take.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServeError(f"cannot listen on {host} port {port}: {reason}; set web.host and web.port") from error


def url_of(listener: socket.socket) -> str:
    """Return the address of the page of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def run(app: Guard, listener: socket.socket, services: Sequence[Service], report: Callable[[str], None]) -> None:
    """Serve, with the services beside, until SIGTERM, SIGINT or SIGHUP; `tell` hears the address once it is answered.

    Raises:
        ServeError: the web server ended by itself.
    """
    with Interrupts() as interrupts:
        server = _WebServer(app, listener)
        server.start()
        for service in services:
            service.start()
        report(url_of(listener))
        try:
            _until_signal(interrupts, server, services)
        finally:
            _end(server, services)


def _until_signal(interrupts: Interrupts, server: _WebServer, services: Sequence[Service]) -> None:
    signals = interrupts.fileno()
    while interrupts.signal is None:
        select.select([] if signals is None else [signals], [], [], WAKE_S)
        if not server.is_alive():
            raise ServeError("the web server stopped unexpectedly; see the log lines above")
        for service in services:
            service.wake()


def _end(server: _WebServer, services: Sequence[Service]) -> None:
    """End the web server and what runs beside it, all at once; after `GRACE_S` the process ends with what is left."""
    last_resort = threading.Timer(GRACE_S, os._exit, (ServeError.exit_code,))
    last_resort.daemon = True
    last_resort.start()
    server.stop()
    for service in services:
        service.stop()
    for service in services:
        service.finish(CHILD_S)
    server.join()


class _Uvicorn(uvicorn.Server):
    """uvicorn, looking less often whether it should end."""

    async def main_loop(self) -> None:
        """Keep the Date header fresh until told to stop."""
        while not await self.on_tick(0):  # noqa: ASYNC110  the tick itself keeps the Date header fresh
            await asyncio.sleep(TICK_S)


class _WebServer(threading.Thread):
    """uvicorn in a thread: outside of the main thread it leaves the signals to us."""

    def __init__(self, app: Guard, listener: socket.socket) -> None:
        super().__init__(name="web", daemon=True)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=REQUESTS_S,
        )
        self._listener = listener
        self._server = _Uvicorn(config)

    def run(self) -> None:
        """Answer requests until told to stop."""
        self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        """Ask the server to answer what is open and end."""
        self._server.should_exit = True
