"""A site over a real store with a fixed clock, and an HTTP client for it, for the tests of the web page."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
from attempts import attempt, failed

from monitor.settings import Database, Probe, Settings, Sold, Web
from monitor.store.open import open_writer
from monitor.store.write import add
from web.app import make_app
from web.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.live import Moment
    from monitor.model import Attempt
    from web.guard import Guard

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)  # 43 minutes after attempts.START
ADDRESS = "http://127.0.0.1:8765"
TABLE = (attempt(0), failed(15), attempt(30))


class Client:
    """Asks an application over ASGI, as a server would, one request at a time."""

    def __init__(self, app: Guard) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Return the response to a GET."""
        return self.request("GET", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return the response to a request."""
        return asyncio.run(self._request(method, path, **options))

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url=ADDRESS) as client:
            return await client.request(method, path, **options)


@dataclass(slots=True)
class Place:
    """A store and the settings of a site over it."""

    url: str
    web: Web = field(default_factory=Web)
    next_slot: Callable[[], datetime | None] = lambda: None
    running: Callable[[], Moment | None] = lambda: None
    probes: tuple[str, ...] = ()

    def fill(self, *attempts: Attempt) -> Place:
        """Store attempts."""
        with open_writer(self.url) as connection:
            for one in attempts:
                add(connection, one)
        return self

    def client(self) -> Client:
        """Return a client of the site, which gets errors as from a server."""
        settings = Settings(
            probe=Probe("home"), plan=Sold(download_mbps=100), web=self.web, database=Database(self.url)
        )
        site = Site(settings, ZoneInfo("Europe/Berlin"), lambda: NOW, self.next_slot, self.running, self.probes)
        return Client(make_app(site))


def in_minutes(minutes: int) -> Callable[[], datetime]:
    """Return a schedule whose next slot is in `minutes`."""
    return lambda: NOW + timedelta(minutes=minutes)


def assert_problem(response: httpx.Response, status: int, code: str, says: str) -> None:
    """Assert that a response is an error in the shape that all endpoints share."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"error": {"code": code, "message": response.json()["error"]["message"]}}
    assert says in response.json()["error"]["message"]
