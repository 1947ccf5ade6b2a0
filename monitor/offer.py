"""The list of servers that an engine offers, fetched over the path that a test takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.errors import ConfigError, EngineError
from monitor.model import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.engines.model import Ask, Engine, Located
    from monitor.model import Server
    from monitor.process import Ended
    from monitor.settings import Settings

# For a list that is fetched over the line; a test waits for it before it starts.
LIST_DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """How an engine is asked for its servers.

    `enter` makes a command run over the path of a test, `run` runs it.
    """

    engine: Engine
    located: Located
    enter: Callable[[list[str]], list[str]]
    run: Ask


def offered(query: Asked, settings: Settings) -> tuple[Server, ...]:
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
        raise EngineError(f"engine {engine.name} returned no list of servers: {_words(engine, ended)}")
    return servers


def _words(engine: Engine, ended: Ended) -> str:
    if ended.timed_out:
        return f"it did not answer within {LIST_DEADLINE_S:g} s"
    complaints = engine.parse(ended.stdout, ended.stderr).complaints
    return complaints[-1][:300] if complaints else f"it ended with exit code {ended.exit_code} and printed nothing"
