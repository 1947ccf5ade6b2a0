"""The wrapper around an engine of another package: what `test_registry_plugins.py` cannot reach through `collect`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.config.settings import Settings
from monitor.engines import ookla
from monitor.engines.base import EngineLocation
from monitor.engines.registry import guard_engine
from monitor.errors import UsageError

LOCATED = EngineLocation(("/opt/speedtest",))


def broken(*_arguments: object) -> None:
    """Raise what no engine may raise."""
    raise LookupError("tin")


def test_sound_engine_stays_as_it_is() -> None:
    """Where nothing is raised, everything is handed through."""
    engine = guard_engine(ookla.ENGINE)
    assert engine.command(LOCATED, Settings(), "7") == ookla.ENGINE.command(LOCATED, Settings(), "7")
    assert engine.parse(b'{"error":"x"}', b"") == ookla.ENGINE.parse(b'{"error":"x"}', b"")
    assert (engine.name, engine.signs, engine.home) == (ookla.ENGINE.name, ookla.ENGINE.signs, ookla.ENGINE.home)


@pytest.mark.parametrize("function", [broken, lambda *_: "7"])
def test_list_of_servers_that_breaks_is_empty(function: object) -> None:
    """A list that cannot be read is an empty one; a command for it that cannot be made is reported."""
    engine = guard_engine(replace(ookla.ENGINE, servers_command=function, parse_servers=function))  # type: ignore[arg-type]
    assert engine.parse_servers is not None
    assert engine.parse_servers(b"", b"") == ()
    assert engine.servers_command is not None
    with pytest.raises(UsageError, match="the engine ookla is broken: its servers_command raised"):
        engine.servers_command(LOCATED, Settings())


def test_engine_without_a_list_has_none() -> None:
    """An engine without a list of servers stays without one."""
    engine = guard_engine(replace(ookla.ENGINE, servers_command=None, parse_servers=None))
    assert (engine.servers_command, engine.parse_servers) == (None, None)
    assert guard_engine(replace(ookla.ENGINE, version=broken)).version(LOCATED) is None  # type: ignore[arg-type]
