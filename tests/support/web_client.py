"""A site over a real store with a fixed clock, and an HTTP client for it, for the tests of the web page."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
from example_runs import make_attempt, make_failed_attempt

from monitor.config.settings import DatabaseSettings, PlanSettings, ProbeSettings, Settings, WebSettings
from monitor.store.connection import open_writer
from monitor.store.write import add_attempt
from web.access import AccessRules
from web.app import make_app
from web.context import Site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from monitor.collect.progress import RunningTest
    from monitor.model import Attempt
    from monitor.scheduler.requested import RequestedTests
    from monitor.store.pause import Pause
    from web.app import Guard
    from web.reports import ReportMaker

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)  # 43 minutes after attempts.START

ADDRESS = "http://127.0.0.1:8765"

TABLE = (make_attempt(0), make_failed_attempt(15), make_attempt(30))


class Client:
    """Asks an application over ASGI, as a server would, one request at a time."""

    def __init__(self, app: Guard) -> None:
        self.transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Return the response to a GET."""
        return self.request("GET", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return the response to a request."""
        return asyncio.run(self._request(method, path, **options))

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=self.transport, base_url=ADDRESS) as client:
            return await client.request(method, path, **options)


@dataclass(slots=True)
class SiteSetup:
    """A store and the settings of a site over it."""

    url: str
    web: WebSettings = field(default_factory=WebSettings)
    next_slot: Callable[[], datetime | None] = lambda: None
    running: Callable[[], RunningTest | None] = lambda: None
    probes: tuple[str, ...] = ()
    paused: Callable[[], Pause | None] = lambda: None
    requested: RequestedTests | None = None
    pause_file: Path | None = None
    reports: ReportMaker | None = None
    access: AccessRules = field(default_factory=lambda: AccessRules(acts_freely=True))

    def fill(self, *attempts: Attempt) -> SiteSetup:
        """Store attempts."""
        with open_writer(self.url) as connection:
            for one in attempts:
                add_attempt(connection, one)
        return self

    def client(self) -> Client:
        """Return a client of the site, which gets errors as from a server."""
        settings = Settings(
            probe=ProbeSettings("home"),
            plan=PlanSettings(download_mbps=100),
            web=self.web,
            database=DatabaseSettings(self.url),
        )
        site = Site(
            settings,
            ZoneInfo("Europe/Berlin"),
            lambda: NOW,
            self.next_slot,
            self.running,
            self.probes,
            paused=self.paused,
            requested=self.requested,
            pause_file=self.pause_file,
            reports=self.reports,
            access=self.access,
        )
        return Client(make_app(site))


def csrf_of(page: httpx.Response) -> tuple[str, dict[str, str]]:
    """Return the token of the forms of a page, and the cookie of the browser that has it."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found
    cookie = page.headers["set-cookie"].partition(";")[0]
    return found[1], {"Cookie": cookie}


def in_minutes(minutes: int) -> Callable[[], datetime]:
    """Return a schedule whose next slot is in `minutes`."""
    return lambda: NOW + timedelta(minutes=minutes)


def assert_error(response: httpx.Response, status: int, code: str, says: str) -> None:
    """Assert that a response is an error in the shape that all endpoints share."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"error": {"code": code, "message": response.json()["error"]["message"]}}
    assert says in response.json()["error"]["message"]
