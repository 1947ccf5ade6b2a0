"""`speedmon servers`: the servers that an engine offers, and the results of each."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import click
import msgspec

from monitor.cli.options import days_option, pass_settings
from monitor.errors import EngineError
from monitor.model import NetworkPath
from monitor.output.tables import cut_to_width, to_printable
from monitor.output.units import format_ms_cell, format_rate_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.config.settings import Settings
    from monitor.model import Server
    from monitor.store.statistics import ServerStats


NAME_WIDTH, PLACE_WIDTH = 30, 34


@click.command(name="servers")
@click.option("--engine", metavar="NAME", help="Engine whose servers are listed; default: collect.engine.")
@click.option(
    "--path",
    type=click.Choice([path.value for path in NetworkPath]),
    help="Path of the query: ip4only or host; default: collect.path.",
)
@click.option("--stats", "stats", is_flag=True, help="Show statistics for each server from the stored runs.")
@days_option("How many days --stats looks back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@pass_settings
def command(settings: Settings, engine: str | None, path: str | None, stats: bool, days: int, as_json: bool) -> None:
    """List the servers that an engine offers, nearest first, over the path of a test.

    The ids are those of --server-id, collect.server_id, servers.ids and servers.deny. Exit codes: 1 no list was
    obtained; 2 usage or configuration error; 5 the namespace is missing or not sound; 6 not permitted.
    """
    if stats:
        from monitor.store.statistics import server_stats

        stats_rows = server_stats(settings, datetime.now(UTC) - timedelta(days=days))
        _print_rows(stats_rows, statistics_table(stats_rows, days), as_json=as_json)
        return
    offered = _query_servers(settings, engine, NetworkPath(path or settings.collect.path))
    _print_rows(offered, offered_table(offered), as_json=as_json)


def _query_servers(settings: Settings, name: str | None, path: NetworkPath) -> tuple[Server, ...]:
    from monitor.collect import measure, servers
    from monitor.engines import registry
    from monitor.system.signals import Interrupts

    wrap = partial(measure.namespace_command, way=settings.namespace.way, dns=settings.namespace.dns)
    runtime = measure.Runtime(os.environ, os.geteuid(), wrap)
    with Interrupts() as interrupts:
        ask = measure.engine_runner(settings, runtime, interrupts)
        engine, located = registry.choose_engine(name or settings.collect.engine, settings, os.environ, ask)
        run = measure.engine_runner(settings, runtime, interrupts, servers.LIST_DEADLINE_S)
        query = servers.ServerListQuery(engine, located, measure.engine_wrapper(settings, path, runtime), run)
        try:
            return servers.list_servers(query, settings)
        except EngineError:
            if interrupts.signal:
                raise click.Abort from None
            raise


def _print_rows(rows: Sequence[object], lines: Iterable[str], *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(rows))
        return
    for line in lines:
        click.echo(line)


def offered_table(servers: Sequence[Server]) -> Iterator[str]:
    """Yield column titles and one line per server: id, name, place."""
    yield _server_columns("Id", "Name", "Place")
    for server in servers:
        yield _server_columns(server.id, server.name or server.host, _join_place(server.location, server.country))


def statistics_table(servers: Sequence[ServerStats], days: int) -> Iterator[str]:
    """Yield caption, column titles and one line per server: tests, failures, medians."""
    if not servers:
        yield f"No test of the last {days} days names a server."
        return
    yield f"The last {days} days: tests, failures among them, medians in Mbit/s and ms."
    yield f"{'Tests':>6}  {'Failed':>6}  {'Down':>8}  {'Up':>8}  {'Latency':>7}  " + _server_columns(
        "Id", "Name", "Place"
    )
    for server in servers:
        numbers = (
            format_rate_cell(server.download_bps),
            format_rate_cell(server.upload_bps),
            format_ms_cell(server.latency_ms),
        )
        counts = f"{server.runs:6}  {server.failures:6}  {numbers[0]:>8}  {numbers[1]:>8}  {numbers[2]:>7}  "
        yield counts + _server_columns(server.id, server.name, _join_place(server.location, server.country))


def _server_columns(server_id: str | None, name: str | None, place: str) -> str:
    name, place = cut_to_width(to_printable(name or ""), NAME_WIDTH), cut_to_width(to_printable(place), PLACE_WIDTH)
    return f"{to_printable(server_id or ''):>7}  {name:{NAME_WIDTH}}  {place}".rstrip()


def _join_place(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)
