"""Visitors do not stop the tests: connections, deadlines, and `speedmon serve` beside a thousand idle clients."""

from __future__ import annotations

import asyncio
import resource
import select
import socket
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn
from example_runs import make_attempt
from serve_process import DEADLINE_S, SPEEDMON, end_daemon, serving, wait_for
from uvicorn.server import ServerState

from monitor.model import Status
from monitor.store.connection import open_reader, open_writer
from monitor.store.read import latest_runs
from monitor.store.write import add_attempts
from web import server
from web.connections import MAX_CONNECTIONS, MIN_CONNECTIONS, BoundedProtocol, max_connections

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

# Answers every question at once, in the format of Ookla's program.
QUICK = """#!/bin/sh
case "$*" in
  *--version*) echo "Speedtest by Ookla 1.2.0.84 (stand-in) Linux/x86_64" ;;
  *) echo '{"type":"result","download":{"bandwidth":1000000},"upload":{"bandwidth":1000},"ping":{"latency":3}}' ;;
esac
"""

HALF_OPEN = 1100

HALF_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n"

REQUEST = HALF_REQUEST + b"\r\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of an installation of its own, whose engine answers at once."""
    engine = tmp_path / "speedtest"
    engine.write_text(QUICK)
    engine.chmod(0o755)
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "CACHE_DIRECTORY": str(tmp_path / "cache"),
        "SPEEDMON_DATABASE_URL": f"sqlite:///{tmp_path}/speedmon.db",
        "SPEEDMON_COLLECT__ENGINE": "ookla",
        "SPEEDMON_COLLECT__PATH": "host",
        "SPEEDMON_COLLECT__LOCK_FILE": str(tmp_path / "lock"),
        "SPEEDMON_OOKLA__BINARY": str(engine),
        "SPEEDMON_OOKLA__ACCEPT_LICENSE": "true",
        "SPEEDMON_SCHEDULE__EVERY_S": "1",
        "SPEEDMON_SCHEDULE__JITTER_S": "0",
        "SPEEDMON_WEB__PORT": "0",
    }


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Let the test open some thousand sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(url: str, text: bytes = b"", **options: int) -> socket.socket:
    """Return a connection to a server on which a text was sent."""
    connection = socket.socket()
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.settimeout(DEADLINE_S)
    connection.connect(("127.0.0.1", httpx.URL(url).port or 0))
    connection.sendall(text)
    return connection


def measured_since(url: str, moment: datetime) -> bool:
    """Return whether a test that began later than a moment was stored with its result."""
    with open_reader(url) as connection:
        runs = latest_runs(connection, limit=100)
    return any(run.status is Status.OK and run.started_at > moment for run in runs)


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("descriptors", [256, 1024])
def test_tests_run_beside_idle_connections(environ: dict[str, str], descriptors: int):
    """With 1,100 half-open connections and few descriptors, tests are measured, pages come, and the log stays short."""
    limited = ["prlimit", f"--nofile={descriptors}:{descriptors}", SPEEDMON]
    with serving(environ, program=limited) as (process, url), ExitStack() as stack:
        for _ in range(HALF_OPEN):
            try:
                stack.enter_context(connect(url, HALF_REQUEST))
            except ConnectionError:
                continue  # closed for a newer one while the request was sent
        began = datetime.now(UTC)
        assert httpx.get(url, timeout=DEADLINE_S).status_code == 200
        wait_for(lambda: measured_since(environ["SPEEDMON_DATABASE_URL"], began))
        _, _, stderr = end_daemon(process)
    assert "Too many open files" not in stderr
    assert stderr.count("\n") < 20


def test_a_request_that_does_not_come_is_not_waited_for(environ: dict[str, str]):
    """Silent clients, and those that send a byte now and then, are closed: before, in, after and without a request."""
    body = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    drips = {b"": b"", HALF_REQUEST: b"X", body: b"x", REQUEST: b""}
    with serving(environ, "--no-schedule") as (process, url), ExitStack() as stack:
        waiting = {stack.enter_context(connect(url, begin)): drip for begin, drip in drips.items()}
        deadline = time.monotonic() + DEADLINE_S
        while waiting:
            assert time.monotonic() < deadline
            for connection in select.select(waiting, [], [], 0.5)[0]:
                if is_closed(connection):
                    del waiting[connection]
            for connection, drip in [*waiting.items()]:
                if not send(connection, drip):
                    del waiting[connection]
        assert httpx.get(url, timeout=DEADLINE_S).status_code == 200
        end_daemon(process)


def is_closed(connection: socket.socket) -> bool:
    """Return whether the server closed a connection."""
    try:
        return not connection.recv(65_536)
    except ConnectionError:
        return True


def send(connection: socket.socket, text: bytes) -> bool:
    """Send a text; return whether the connection is open."""
    try:
        connection.sendall(text)
    except ConnectionError:
        return False
    return True


def test_a_large_answer_is_not_held_in_memory(environ: dict[str, str]):
    """Twelve clients that ask for thousands of runs, and read nothing, cost a few MB; the page comes meanwhile."""
    with open_writer(environ["SPEEDMON_DATABASE_URL"]) as connection:
        add_attempts(connection, (make_attempt(-minutes) for minutes in range(4000)))
    request = b"GET /api/v1/runs?from=2020-01-01T00:00&limit=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving(environ, "--no-schedule") as (process, url), ExitStack() as stack:
        size = len(httpx.get(f"{url}api/v1/runs?from=2020-01-01T00:00&limit=10000", timeout=DEADLINE_S).content)
        before = peak_bytes(process.pid)
        slow = [stack.enter_context(connect(url, request, SO_RCVBUF=4096)) for _ in range(12)]
        assert all(connection.recv(12) == b"HTTP/1.1 200" for connection in slow)
        assert httpx.get(url, timeout=DEADLINE_S).status_code == 200
        grown = peak_bytes(process.pid) - before
        end_daemon(process)
    assert grown < 6 * size


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process had."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:  # noqa: PTH123  a file of the kernel
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def test_answers_are_not_delayed():
    """What is written is sent at once: connections have TCP_NODELAY, or each request on a kept one would take 40 ms."""
    with (
        server.listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [(64, MIN_CONNECTIONS), (256, 68), (1024, MAX_CONNECTIONS), (resource.RLIM_INFINITY, MAX_CONNECTIONS)],
)
def test_the_limit_leaves_descriptors_for_the_tests(descriptors: int, connections: int):
    """Visitors get less than half of the descriptors that a small limit leaves."""
    assert max_connections(descriptors) == connections


class BlockedApp:
    """An application that answers when it is released; `is_busy` is set by the fourth request."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.is_busy = asyncio.Event()
        self._requests = 0

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Wait, and answer with an empty body."""
        self._requests += 1
        if self._requests == 4:
            self.is_busy.set()
        await self.released.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


class AsyncConnection:
    """A client's side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, text: bytes) -> None:
        """Send a text."""
        self._writer.write(text)

    async def read(self) -> bytes:
        """Return what the server sent until it closed the connection, or nothing if it was reset."""
        try:
            return await self._reader.read()
        except ConnectionError:
            return b""

    async def head(self) -> bytes:
        """Return the head of an answer."""
        return await self._reader.readuntil(b"\r\n\r\n")


@contextmanager
def closing_all(writers: list[asyncio.StreamWriter]) -> Iterator[None]:
    """Close connections at the end."""
    try:
        yield
    finally:
        for writer in writers:
            writer.close()


async def bounded_server(app: BlockedApp, limit: int) -> AsyncIterator[int]:
    """Yield the port of a server with few connections."""
    config = uvicorn.Config(app, http=BoundedProtocol.within(limit), lifespan="off", log_config=None)
    state = ServerState()
    listening = await asyncio.get_running_loop().create_server(
        lambda: config.http_protocol_class(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    config.load()
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def open_connection(port: int, writers: list[asyncio.StreamWriter], text: bytes) -> AsyncConnection:
    """Connect and send a text."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writers.append(writer)
    writer.write(text)
    return AsyncConnection(reader, writer)


def test_too_many_visitors_are_told_to_come_later():
    """If all connections are at work a new one gets 503 with Retry-After; one that waits makes room instead."""

    async def visit() -> None:
        app, writers = BlockedApp(), list[asyncio.StreamWriter]()
        async for port in bounded_server(app, limit=4):
            with closing_all(writers):
                idle = await open_connection(port, writers, HALF_REQUEST)
                busy = [await open_connection(port, writers, REQUEST) for _ in range(4)]
                assert await idle.read() == b""
                await app.is_busy.wait()
                refused = await (await open_connection(port, writers, REQUEST)).read()
                assert refused.startswith(b"HTTP/1.1 503 ")
                assert b"retry-after: 2" in refused
                assert b'"code": "busy"' in refused
                app.released.set()
                assert [(await connection.head())[:12] for connection in busy] == [b"HTTP/1.1 200"] * 4
                new = await open_connection(port, writers, REQUEST)
                assert (await new.head()).startswith(b"HTTP/1.1 200")

    asyncio.run(asyncio.wait_for(visit(), DEADLINE_S))


def test_pipelined_requests_are_answered_in_turn():
    """A second request that comes with the first is answered on the same connection."""

    async def visit() -> None:
        app, writers = BlockedApp(), list[asyncio.StreamWriter]()
        app.released.set()
        async for port in bounded_server(app, limit=1):
            with closing_all(writers):
                connection = await open_connection(port, writers, REQUEST + REQUEST)
                assert [(await connection.head())[:12] for _ in range(2)] == [b"HTTP/1.1 200"] * 2

    asyncio.run(asyncio.wait_for(visit(), DEADLINE_S))
