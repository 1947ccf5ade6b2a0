"""`speedmon serve`: tests on a schedule, and the page that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitor.cli.options import load_settings, pass_source

if TYPE_CHECKING:
    from monitor.config.settings import Settings
    from web.reload import ServeOptions


@click.command("serve")
@click.option("--host", help="Address to listen on; default: web.host of the configuration, 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0: any free one.")
@click.option("--no-schedule", is_flag=True, help="Run no tests by a schedule, only those that the page is asked for.")
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@click.option("--insecure", is_flag=True, help="Let everybody on the network read the page, without a token.")
@pass_source
@click.pass_context
def command(
    ctx: click.Context,
    settings: Settings,
    host: str | None,
    port: int | None,
    no_schedule: bool,
    opens: bool,
    insecure: bool,
    probes: tuple[str, ...],
) -> None:
    """Run tests on a schedule, serve the web page and keep the files of [publish] up to date.

    With --database-url it serves the page only. On another address than those of this machine alone, it needs a token
    (`speedmon token add`), web.trusted_proxy or --insecure, and ends with 2 without. Ends within three seconds of
    SIGTERM or Ctrl-C; a running test is recorded as interrupted. SIGHUP reads the configuration again, without any
    effect on a running test.
    """
    from monitor.scheduler.daemon import prepare_database
    from web import logs, server
    from web.reload import ServedSite, ServeOptions

    logs.set_up_logging()
    settings = _with_address(settings, host, port)
    options = ServeOptions(ctx.find_root().obj, probes, ctx.params.get("database_url"), no_schedule, insecure)
    prepare_database(settings.database.url, options.config)
    site = ServedSite(settings, options, lambda: _with_address(_load_again(ctx, options), host, port))
    with server.listen(settings.web.host, settings.web.port) as listener:

        def report(line: str) -> None:
            click.echo(f"speedmon: {line}")
            if opens and line.startswith("serving "):
                click.launch(server.url_of(listener))

        server.run_server(site, listener, report)


def _load_again(ctx: click.Context, options: ServeOptions) -> Settings:
    from msgspec.structs import replace

    settings = load_settings(ctx)
    if options.database_url is None:
        return settings
    return replace(settings, database=replace(settings.database, url=options.database_url))


def _with_address(settings: Settings, host: str | None, port: int | None) -> Settings:
    from msgspec.structs import replace

    web = settings.web
    web = replace(web, host=host or web.host, port=web.port if port is None else port)
    return replace(settings, web=web)
