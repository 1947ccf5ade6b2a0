"""`speedmon servers`: the servers that an engine offers over the path of a test, or statistics for each one used."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import click

from monitor.cli.options import days_option, pass_settings
from monitor.errors import EngineError
from monitor.model import Path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from monitor.model import Server
    from monitor.settings import Settings


@click.command(name="servers")
@click.option("--engine", metavar="NAME", help="Engine whose servers are listed; default: collect.engine.")
@click.option(
    "--path",
    type=click.Choice([path.value for path in Path]),
    help="Path of the query: ip4only or host; default: collect.path.",
)
@click.option("--stats", "stats", is_flag=True, help="Show statistics for each server from the stored runs.")
@days_option("How many days --stats looks back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@pass_settings
def command(  # noqa: PLR0913, PLR0917  one parameter an option
    settings: Settings, engine: str | None, path: str | None, stats: bool, days: int, as_json: bool
) -> None:
    """List the servers that an engine offers, nearest first, over the path of a test.

    The ids are those of --server-id, collect.server_id, servers.ids and servers.deny. Exit codes: 1 no list was
    obtained; 2 usage or configuration error; 5 the namespace is missing or not sound; 6 not permitted.
    """
    from monitor import server_table  # noqa: PLC0415  --help stays light

    if stats:
        from monitor.store.server_stats import of_servers  # noqa: PLC0415  the same

        stats_rows = of_servers(settings, datetime.now(UTC) - timedelta(days=days))
        _show(stats_rows, server_table.of_stats(stats_rows, days), as_json=as_json)
        return
    offered = _offered(settings, engine, Path(path or settings.collect.path))
    _show(offered, server_table.of_offered(offered), as_json=as_json)


def _offered(settings: Settings, name: str | None, path: Path) -> tuple[Server, ...]:
    from monitor import engines, measure, offer  # noqa: PLC0415  the same
    from monitor.interrupts import Interrupts  # noqa: PLC0415  the same

    wrap = partial(measure.into_namespace, way=settings.namespace.way, dns=settings.namespace.dns)
    world = measure.World(os.environ, os.geteuid(), wrap)
    with Interrupts() as interrupts:
        env = measure.environment(settings, path, world)
        ask = measure.asker(env, interrupts)
        engine, located = engines.choose(name or settings.collect.engine, settings, os.environ, ask)
        run = measure.asker(env, interrupts, offer.LIST_DEADLINE_S)
        asked = offer.Asked(engine, located, measure.way_in(settings, path, world), run)
        try:
            return offer.offered(asked, settings)
        except EngineError:
            if interrupts.signal:
                raise click.Abort from None
            raise


def _show(rows: Sequence[object], lines: Iterable[str], *, as_json: bool) -> None:
    if as_json:
        import msgspec  # noqa: PLC0415  loaded with the settings already

        click.echo(msgspec.json.encode(rows))
        return
    for line in lines:
        click.echo(line)
