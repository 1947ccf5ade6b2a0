"""Which server a test uses (a pinned one, the next of a rotation, one that is not denied), and the list to choose from.

The list is what the engine offers over the path that a test takes. Ookla's CLI has no option to exclude servers: where
one must be avoided, the first other server on its list, the nearest, is passed to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor.errors import ConfigError, EngineError
from monitor.model import Doubt, Remark, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.collect.outcome import TestRequest
    from monitor.config.settings import Settings
    from monitor.engines.base import CommandRunner, Engine, EngineLocation
    from monitor.model import Measurement, Server
    from monitor.system.process import ProcessResult


# For a list that is fetched over the line; a test waits for it before it starts.
LIST_DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """The server that the engine must use ("": its own choice), and further arguments for it."""

    server_id: str = ""
    arguments: tuple[str, ...] = ()


def pinned_server(settings: Settings) -> str:
    """Return the id of the server that the settings pin, "" where the engine or the rotation chooses.

    Raises:
        ConfigError: the policy needs servers and the settings name none, or only denied ones.
    """
    section, pinned = settings.servers, settings.collect.server_id
    if section.policy == "rotation":
        if not _without_denied(section.ids, section.deny):
            raise ConfigError('servers.policy = "rotation" needs servers.ids that are not all in servers.deny')
        return ""
    if section.policy == "pinned" and not pinned and not section.ids:
        raise ConfigError('servers.policy = "pinned" needs collect.server_id; `speedmon servers` lists them')
    chosen = pinned or (section.ids[0] if section.policy == "pinned" else "")
    if chosen in section.deny:
        raise ConfigError(f"server {chosen} is both pinned and in servers.deny: take it out of one")
    return chosen


def rotate_server(request: TestRequest, settings: Settings, last: str) -> TestRequest:
    """Return a request of the rotation with the server that follows the last one; any other request as it is."""
    if not request.rotates:
        return request
    ids = _without_denied(settings.servers.ids, settings.servers.deny)
    following = ids.index(last) + 1 if last in ids else 0
    return replace(request, server_id=ids[following % len(ids)])


def choose_server(
    engine: Engine, request: TestRequest, deny: Sequence[str], list_servers: Callable[[], Sequence[Server]]
) -> ServerChoice:
    """Return how to make an engine test against the right server; `list_servers` returns the engine's own list."""
    avoid = (*deny, *request.avoid)
    if request.server_id or not avoid:
        return ServerChoice(request.server_id)
    if engine.exclude is not None:
        return ServerChoice(arguments=tuple(engine.exclude(avoid)))
    ids = (server.id for server in list_servers())
    return ServerChoice(next((server_id for server_id in ids if server_id and server_id not in avoid), ""))


def denied_server_remarks(request: TestRequest, measurement: Measurement, deny: Sequence[str]) -> tuple[Remark, ...]:
    """Return the remark on a result against a denied server that the request did not name."""
    server = measurement.server
    if server is None or server.id not in deny or server.id == request.server_id:
        return ()
    return (Remark(Doubt.SERVER_DENIED, f"the engine chose server {server.id}, which servers.deny names"),)


def _without_denied(ids: Sequence[str], deny: Sequence[str]) -> list[str]:
    return [server_id for server_id in ids if server_id not in deny]


@dataclass(frozen=True, slots=True)
class ServerListQuery:
    """How an engine is asked for its servers.

    `enter` makes a command run over the path of a test, `run` runs it.
    """

    engine: Engine
    located: EngineLocation
    enter: Callable[[list[str]], list[str]]
    run: CommandRunner


def list_servers(query: ServerListQuery, settings: Settings) -> tuple[Server, ...]:
    """Return the servers that an engine lists, in its order.

    Raises:
        ConfigError: the engine is not installed, may not be used, or has no list.
        EngineError: it could not fetch its list.
        NetnsError: the namespace cannot be entered.
    """
    engine, failure = query.engine, query.located.failure
    if failure is not None:
        raise (ConfigError if failure.scope is Scope.CONFIG else EngineError)(failure.message)
    if engine.servers_command is None or engine.parse_servers is None:
        raise ConfigError(f"engine {engine.name} has no list of servers: name another with --engine")
    ended = query.run(query.enter(engine.servers_command(query.located, settings)))
    if not (servers := engine.parse_servers(ended.stdout, ended.stderr)):
        raise EngineError(f"engine {engine.name} returned no list of servers: {_describe_failure(engine, ended)}")
    return servers


def _describe_failure(engine: Engine, ended: ProcessResult) -> str:
    if ended.timed_out:
        return f"it did not answer within {LIST_DEADLINE_S:g} s"
    complaints = engine.parse(ended.stdout, ended.stderr).complaints
    return complaints[-1][:300] if complaints else f"it ended with exit code {ended.exit_code} and printed nothing"
