"""What `speedmon serve` consists of, built from the settings: page, schedules, files and notifier; and built again.

SIGHUP reads the configuration again. A schedule that did not change, and a test that runs, go on; a file with a mistake
changes nothing.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor import localtime
from monitor.collect.progress import PROGRESS_FILE, read_running_test
from monitor.config import paths
from monitor.scheduler.daemon import Daemon
from monitor.scheduler.notifier import INTERVAL_S, READING_INTERVAL_S, NotifierService, source_options
from monitor.scheduler.notifier import is_wanted as wants_notifier
from monitor.scheduler.publish import Publisher
from monitor.scheduler.requested import RequestedTests
from monitor.store.pause import pause_file, read_pause
from web.app import make_app
from web.context import Site, no_published_files, no_slot
from web.protection import make_rules
from web.reports import ReportMaker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from monitor.config.settings import Settings
    from web.server import Service


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line says of a process: the configuration file, the probes shown, and what it does not do.

    `database_url` is another database to show, for which nothing is tested or published. With `insecure`, everybody on
    a network may read the page.
    """

    config: Path | None = None
    probes: tuple[str, ...] = ()
    database_url: str | None = None
    no_schedule: bool = False
    insecure: bool = False

    @property
    def runs_tests(self) -> bool:
        """Whether tests run on the schedule."""
        return not self.no_schedule and self.database_url is None


class ServedSite:
    """The application and the services of a process; `reload` replaces those that depend on what has changed.

    Args:
        settings: all settings.
        options: the command line.
        load: reads the settings again.

    Raises:
        ConfigError: a setting cannot be used.
        UsageError: everybody on the network could read the page.
        StoreError: the database cannot be opened.
    """

    def __init__(self, settings: Settings, options: ServeOptions, load: Callable[[], Settings]) -> None:
        self._options, self._load = options, load
        self._settings = settings
        self._daemon = Daemon(settings, options.config) if options.runs_tests else None
        self._requested = RequestedTests(settings, options.config) if options.database_url is None else None
        self._others, self._app = self._build(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request by the application of the newest settings."""
        await self._app(scope, receive, send)

    @property
    def services(self) -> list[Service]:
        """The services that run now."""
        lasting = (self._daemon, self._requested)
        return [*(service for service in lasting if service), *self._others]

    def reload(self) -> str:
        """Read the configuration again; return one line that says what came of it.

        Raises:
            SpeedmonError: it has a mistake, and everything stays as it was.
        """
        settings = self._load()
        if settings == self._settings:
            return "the configuration was read again: nothing has changed"
        others, app = self._build(settings)
        if self._daemon:
            self._daemon.reload(settings)
        before, self._others, self._app = self._others, others, app
        for service in before:
            service.stop()
        for service in others:
            service.start()
        old, self._settings = self._settings.web, settings
        is_moved = (old.host, old.port) != (settings.web.host, settings.web.port)
        restart = "; web.host and web.port change with a restart" if is_moved else ""
        return f"the configuration was read again{restart}"

    def _build(self, settings: Settings) -> tuple[list[Service], ASGIApp]:
        """Return all services but the tests, not started, and the application."""
        options = self._options
        publishes = settings.publish.directory and options.database_url is None
        publisher = Publisher(settings, options.config, options.probes) if publishes else None
        notifier = self._make_notifier(settings) if wants_notifier(settings) else None
        state, paused = paths.state_dir(os.environ, os.geteuid()), _pause_file(settings)
        is_own = options.database_url is None
        site = Site(
            settings,
            localtime.resolve_zone(settings.display.timezone, "display.timezone"),
            next_slot=self._daemon.next_slot if self._daemon else no_slot,
            running=lambda: read_running_test(state / PROGRESS_FILE, time.time()),
            probes=options.probes,
            paused=lambda: read_pause(paused, datetime.now(UTC)),
            published=publisher.state if publisher else no_published_files,
            requested=self._requested,
            pause_file=paused if is_own else None,
            reports=ReportMaker(settings, options.config, source_options(options.database_url, options.probes)),
            access=make_rules(settings.web, os.environ, os.geteuid(), insecure=options.insecure),
        )
        services: list[Service] = [service for service in (publisher, notifier) if service]
        return services, make_app(site)

    def _make_notifier(self, settings: Settings) -> NotifierService:
        source = source_options(self._options.database_url, self._options.probes)
        every_s = INTERVAL_S if self._daemon else READING_INTERVAL_S
        return NotifierService(settings, self._options.config, source, every_s)


def _pause_file(settings: Settings) -> Path:
    return pause_file(settings.database.url, os.environ, os.geteuid())
