"""The table of engines, and the choice between them. To add one, write its module and add a row here.

A row is "module:attribute" and is imported only when that engine is requested. A name that is not in the table is
looked up in other packages (`monitor.engines.plugins`). `auto` takes the first of `AUTOMATIC` that is installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from monitor.errors import UsageError
from monitor.model import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from monitor.engines.model import Ask, Engine, Located
    from monitor.settings import Settings

TABLE = {
    "ookla": "monitor.engines.ookla:ENGINE",
    "speedtest-cli": "monitor.engines.speedtest_cli:ENGINE",
    "librespeed": "monitor.engines.librespeed:ENGINE",
    "iperf3": "monitor.engines.iperf3:ENGINE",
}
AUTO = "auto"
# The second comes with speedmon, so a third would never be reached.
AUTOMATIC = ("ookla", "speedtest-cli")
_ABSENT = (Kind.NOT_INSTALLED, Kind.WRONG_BINARY)


def load(name: str) -> Engine:
    """Return the engine of that name.

    Raises:
        UsageError: it is unknown, and the message lists the known ones; or its package cannot be used.
    """
    target = TABLE.get(name)
    if target is None:
        return _of_another_package(name)
    module, _, attribute = target.partition(":")
    engine: Engine = getattr(import_module(module), attribute)
    return engine


def _of_another_package(name: str) -> Engine:
    from monitor.engines import plugins  # noqa: PLC0415  reads entry points, which no built-in engine needs

    engine = plugins.load(name)
    if engine is None:
        known = ", ".join((AUTO, *TABLE, *plugins.names(TABLE)))
        raise UsageError(f"unknown engine {name!r} (known: {known})")
    return engine


def choose(name: str, settings: Settings, environ: Mapping[str, str], ask: Ask) -> tuple[Engine, Located]:
    """Return the engine to use and where it is; why it cannot be used is in `Located.failure`.

    An engine that is requested by name is never replaced, nor is one whose path the settings give.

    Raises:
        UsageError: there is no engine of that name.
    """
    if name != AUTO:
        engine = load(name)
        return engine, _barred(engine, settings) or engine.locate(settings, environ, ask)
    engines = [load(known) for known in AUTOMATIC]
    for engine in engines:
        located = engine.locate(settings, environ, ask)
        if located.configured or not _absent(located):
            break
    return engine, located if located.failure else _barred(engine, settings) or located


def stand_in(settings: Settings, environ: Mapping[str, str], ask: Ask, without: Collection[str]) -> Engine | None:
    """Return the first engine of `auto` that can be used and is not one of `without`; None when there is none."""
    for name in AUTOMATIC:
        if name not in without:
            engine, located = choose(name, settings, environ, ask)
            if located.failure is None:
                return engine
    return None


def _absent(located: Located) -> bool:
    return located.failure is not None and located.failure.kind in _ABSENT


def _barred(engine: Engine, settings: Settings) -> Located | None:
    from monitor.engines.model import Located  # noqa: PLC0415  it imports process, which the list of names does not need

    failure = engine.barred(settings)
    return Located(failure=failure) if failure else None
