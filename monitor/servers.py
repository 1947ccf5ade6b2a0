"""Which server a test is aimed at: the pin, the next one of a rotation, or one that is not denied. Pure.

Ookla's CLI cannot be told what to keep away from, so where something is to be avoided its own list is asked and the
first other server on it, the nearest, is named to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor.errors import ConfigError
from monitor.model import Doubt, Remark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.engines.model import Engine
    from monitor.model import Measurement, Server
    from monitor.outcome import Order
    from monitor.settings import Settings


@dataclass(frozen=True, slots=True)
class Aim:
    """The server named to the engine ("": its own choice), and further arguments for it."""

    server_id: str = ""
    arguments: tuple[str, ...] = ()


def pin(settings: Settings) -> str:
    """Return the id of the server that the settings pin, "" where the engine or the rotation chooses.

    Raises:
        ConfigError: the policy asks for servers and the settings name none, or only denied ones.
    """
    wanted, pinned = settings.servers, settings.collect.server_id
    if wanted.policy == "rotation":
        if not _allowed(wanted.ids, wanted.deny):
            raise ConfigError('servers.policy = "rotation" needs servers.ids that are not all in servers.deny')
        return ""
    if wanted.policy == "pinned" and not pinned and not wanted.ids:
        raise ConfigError('servers.policy = "pinned" needs collect.server_id; `speedmon servers` lists what there is')
    chosen = pinned or (wanted.ids[0] if wanted.policy == "pinned" else "")
    if chosen in wanted.deny:
        raise ConfigError(f"server {chosen} is both pinned and in servers.deny: take it out of one")
    return chosen


def rotated(order: Order, settings: Settings, last: str) -> Order:
    """Return an order with the server that follows the last one of the rotation, where it rotates."""
    if not order.rotates:
        return order
    ids = _allowed(settings.servers.ids, settings.servers.deny)
    following = ids.index(last) + 1 if last in ids else 0
    return replace(order, server_id=ids[following % len(ids)])


def aim(engine: Engine, order: Order, deny: Sequence[str], offered: Callable[[], Sequence[Server]]) -> Aim:
    """Return what to tell an engine so that it tests against the right server; `offered` asks it for its list."""
    avoid = (*deny, *order.avoid)
    if order.server_id or not avoid:
        return Aim(order.server_id)
    if engine.exclude is not None:
        return Aim(arguments=tuple(engine.exclude(avoid)))
    ids = (server.id for server in offered())
    return Aim(next((found for found in ids if found and found not in avoid), ""))


def remarks(order: Order, measurement: Measurement, deny: Sequence[str]) -> tuple[Remark, ...]:
    """Return the remark on a result against a denied server that nobody named for it."""
    server = measurement.server
    if server is None or server.id not in deny or server.id == order.server_id:
        return ()
    return (Remark(Doubt.SERVER_DENIED, f"the engine chose server {server.id}, which servers.deny names"),)


def _allowed(ids: Sequence[str], deny: Sequence[str]) -> list[str]:
    return [each for each in ids if each not in deny]
