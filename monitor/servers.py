"""Which server a test uses: the pinned one, the next of a rotation, or one that is not denied. Pure.

Ookla's CLI has no option to exclude servers. Where one must be avoided, its own list is read, and the first other
server on it, the nearest, is passed to it.
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
    """The server that the engine must use ("": its own choice), and further arguments for it."""

    server_id: str = ""
    arguments: tuple[str, ...] = ()


def pin(settings: Settings) -> str:
    """Return the id of the server that the settings pin, "" where the engine or the rotation chooses.

    Raises:
        ConfigError: the policy needs servers and the settings name none, or only denied ones.
    """
    section, pinned = settings.servers, settings.collect.server_id
    if section.policy == "rotation":
        if not _allowed(section.ids, section.deny):
            raise ConfigError('servers.policy = "rotation" needs servers.ids that are not all in servers.deny')
        return ""
    if section.policy == "pinned" and not pinned and not section.ids:
        raise ConfigError('servers.policy = "pinned" needs collect.server_id; `speedmon servers` lists them')
    chosen = pinned or (section.ids[0] if section.policy == "pinned" else "")
    if chosen in section.deny:
        raise ConfigError(f"server {chosen} is both pinned and in servers.deny: take it out of one")
    return chosen


def rotated(request: Order, settings: Settings, last: str) -> Order:
    """Return a request of the rotation with the server that follows the last one; any other request as it is."""
    if not request.rotates:
        return request
    ids = _allowed(settings.servers.ids, settings.servers.deny)
    following = ids.index(last) + 1 if last in ids else 0
    return replace(request, server_id=ids[following % len(ids)])


def aim(engine: Engine, request: Order, deny: Sequence[str], list_servers: Callable[[], Sequence[Server]]) -> Aim:
    """Return how to make an engine test against the right server; `list_servers` returns the engine's own list."""
    avoid = (*deny, *request.avoid)
    if request.server_id or not avoid:
        return Aim(request.server_id)
    if engine.exclude is not None:
        return Aim(arguments=tuple(engine.exclude(avoid)))
    ids = (server.id for server in list_servers())
    return Aim(next((server_id for server_id in ids if server_id and server_id not in avoid), ""))


def remarks(request: Order, measurement: Measurement, deny: Sequence[str]) -> tuple[Remark, ...]:
    """Return the remark on a result against a denied server that the request did not name."""
    server = measurement.server
    if server is None or server.id not in deny or server.id == request.server_id:
        return ()
    return (Remark(Doubt.SERVER_DENIED, f"the engine chose server {server.id}, which servers.deny names"),)


def _allowed(ids: Sequence[str], deny: Sequence[str]) -> list[str]:
    return [server_id for server_id in ids if server_id not in deny]
