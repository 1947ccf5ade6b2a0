"""`speedmon serve`: tests on a schedule, and the page that shows them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_source

if TYPE_CHECKING:
    from monitor.config.settings import Settings


@click.command("serve")
@click.option("--host", help="Address to listen on; default: web.host of the configuration, 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0: any free one.")
@click.option("--no-schedule", is_flag=True, help="Serve the page only, run no tests.")
@pass_source
@click.pass_context
def command(
    ctx: click.Context,
    settings: Settings,
    host: str | None,
    port: int | None,
    no_schedule: bool,
    probes: tuple[str, ...],
) -> None:
    """Run tests on a schedule, serve the web page and keep the files of [publish] up to date.

    With --database-url it serves the page only. Ends within three seconds of SIGTERM or Ctrl-C; a running test
    is recorded as interrupted.
    """
    from monitor import localtime
    from monitor.collect.progress import PROGRESS_FILE, read_running_test
    from monitor.config import paths
    from monitor.scheduler.daemon import Daemon, prepare_database
    from monitor.scheduler.notifier import INTERVAL_S, READING_INTERVAL_S, NotifierService, source_options
    from monitor.scheduler.notifier import is_wanted as wants_notifier
    from monitor.scheduler.publish import Publisher
    from monitor.store.pause import pause_file, read_pause
    from web import logs, server
    from web.app import make_app
    from web.context import Site, no_published_files, no_slot

    logs.set_up_logging()
    settings = _with_address(settings, host, port)
    shown_in = localtime.resolve_zone(settings.display.timezone, "display.timezone")
    config = ctx.find_root().obj
    prepare_database(settings.database.url, config)
    # With another database, such as a fleet's, nothing is tested for it or published from it.
    elsewhere = ctx.params.get("database_url") is not None
    daemon = None if no_schedule or elsewhere else Daemon(settings, config)
    publisher = Publisher(settings, config, probes) if settings.publish.directory and not elsewhere else None
    progress = paths.state_dir(os.environ, os.geteuid()) / PROGRESS_FILE
    paused = pause_file(settings.database.url, os.environ, os.geteuid())
    site = Site(
        settings,
        shown_in,
        next_slot=daemon.next_slot if daemon else no_slot,
        running=lambda: read_running_test(progress, time.time()),
        probes=probes,
        paused=lambda: read_pause(paused, datetime.now(UTC)),
        published=publisher.state if publisher else no_published_files,
    )
    options = source_options(ctx.params.get("database_url"), probes)
    every_s = INTERVAL_S if daemon else READING_INTERVAL_S
    notifier = NotifierService(settings, config, options, every_s) if wants_notifier(settings) else None
    services = [service for service in (daemon, publisher, notifier) if service]
    with server.listen(settings.web.host, settings.web.port) as listener:
        server.run_server(make_app(site), listener, services, lambda url: click.echo(f"speedmon: serving {url}"))


def _with_address(settings: Settings, host: str | None, port: int | None) -> Settings:
    from msgspec.structs import replace

    web = settings.web
    web = replace(web, host=host or web.host, port=web.port if port is None else port)
    return replace(settings, web=web)
