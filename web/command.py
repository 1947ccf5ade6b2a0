"""`speedmon serve`: tests on a schedule, and the page that shows them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from monitor.cli.options import pass_source

if TYPE_CHECKING:
    from monitor.settings import Settings


@click.command("serve")
@click.option("--host", help="Address to listen on; default: web.host of the configuration, 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0: any free one.")
@click.option("--no-schedule", is_flag=True, help="Serve the page only, run no tests.")
@pass_source
@click.pass_context
def command(  # noqa: PLR0913, PLR0917  one parameter an option
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
    from monitor import live, paths, zone  # noqa: PLC0415  --help stays light
    from monitor.daemon import Daemon, make_store  # noqa: PLC0415  the same
    from monitor.publisher import Publisher  # noqa: PLC0415  the same
    from web import log, serve  # noqa: PLC0415  the same
    from web.app import make_app  # noqa: PLC0415  the same
    from web.site import Site, no_slot, nothing_published  # noqa: PLC0415  the same

    log.set_up()
    settings = _with_address(settings, host, port)
    shown_in = zone.resolve(settings.display.timezone)
    config = ctx.find_root().obj
    make_store(settings.database.url, config)
    # With another database, such as a fleet's, nothing is tested for it or published from it.
    elsewhere = ctx.params.get("database_url") is not None
    daemon = None if no_schedule or elsewhere else Daemon(settings, config)
    publisher = Publisher(settings, config, probes) if settings.publish.directory and not elsewhere else None
    progress = paths.state_dir(os.environ, os.geteuid()) / live.FILE
    site = Site(
        settings,
        shown_in,
        next_slot=daemon.next_slot if daemon else no_slot,
        running=lambda: live.current(progress, time.time()),
        probes=probes,
        published=publisher.state if publisher else nothing_published,
    )
    services = [service for service in (daemon, publisher) if service]
    with serve.listen(settings.web.host, settings.web.port) as listener:
        serve.run(make_app(site), listener, services, lambda url: click.echo(f"speedmon: serving {url}"))


def _with_address(settings: Settings, host: str | None, port: int | None) -> Settings:
    from msgspec.structs import replace  # noqa: PLC0415  loaded with the settings already

    web = settings.web
    web = replace(web, host=host or web.host, port=web.port if port is None else port)
    return replace(settings, web=web)
