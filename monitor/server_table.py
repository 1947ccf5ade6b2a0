"""Tables of servers: those an engine offers, and statistics of those that were used. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.table import cut, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.model import Server
    from monitor.store.server_stats import ServerStats

NAME_WIDTH, PLACE_WIDTH = 30, 34


def of_offered(servers: Sequence[Server]) -> Iterator[str]:
    """Yield column titles and one line per server: id, name, place."""
    yield _line("Id", "Name", "Place")
    for server in servers:
        yield _line(server.id, server.name or server.host, _place(server.location, server.country))


def of_stats(servers: Sequence[ServerStats], days: int) -> Iterator[str]:
    """Yield caption, column titles and one line per server: tests, failures, medians."""
    if not servers:
        yield f"No test of the last {days} days names a server."
        return
    yield f"The last {days} days: tests, failures among them, medians in Mbit/s and ms."
    yield f"{'Tests':>6}  {'Failed':>6}  {'Down':>8}  {'Up':>8}  {'Latency':>7}  " + _line("Id", "Name", "Place")
    for server in servers:
        numbers = (_mbps(server.download_bps), _mbps(server.upload_bps), _ms(server.latency_ms))
        counts = f"{server.runs:6}  {server.failures:6}  {numbers[0]:>8}  {numbers[1]:>8}  {numbers[2]:>7}  "
        yield counts + _line(server.id, server.name, _place(server.location, server.country))


def _line(server_id: str | None, name: str | None, place: str) -> str:
    shown = cut(printable(name or ""), NAME_WIDTH)
    return f"{printable(server_id or ''):>7}  {shown:{NAME_WIDTH}}  {cut(printable(place), PLACE_WIDTH)}".rstrip()


def _place(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _mbps(rate: int | None) -> str:
    return "" if rate is None else f"{rate / 1e6:.2f}"


def _ms(latency: float | None) -> str:
    return "" if latency is None else f"{latency:.1f}"
