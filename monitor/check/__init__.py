"""Checks what a reliable test needs: `run` returns a `Line` for each thing.

The checks are two tables of pure functions over what was observed; to add one, write it in `host`, `inside` or
`machine` and add it here. `namespace_look` and `machine_look` observe, and change nothing.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from monitor.check import host, inside, machine, machine_look, namespace_look
from monitor.model import Path
from netns.model import parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from monitor.check.line import Line
    from monitor.check.seen import Machine, Namespace
    from monitor.settings import Settings

OF_THE_NAMESPACE: tuple[Callable[[Namespace], Line | None], ...] = (
    host.namespace,
    host.launcher,
    host.host_link,
    host.firewall,
    host.beside,
    host.resolver,
    inside.links,
    inside.addresses,
    inside.route,
    inside.ipv6,
    host.ipv6_seen,
    inside.gateway,
    inside.dns,
    inside.forwarding,
)
OF_THE_MACHINE: tuple[Callable[[Machine], Line], ...] = (
    machine.engine,
    machine.licence,
    machine.clock,
    machine.clock_kept,
    machine.disk,
    machine.database,
)


def run(settings: Settings, environ: Mapping[str, str], uid: int, now: datetime) -> list[Line]:
    """Observe once and return every line; where tests do not use the namespace, its lines do not matter.

    Raises:
        SpecError: the settings of the namespace cannot be used.
        UsageError: the settings name an unknown engine.
    """
    section = settings.namespace
    spec = parse_spec(section.name, section.subnet, section.uplink, tuple(section.dns), router=section.router)
    lines = of_namespace(namespace_look.look(spec, settings.check, environ))
    if Path(settings.collect.path) is Path.HOST:
        lines = [dataclasses.replace(line, matters=False) for line in lines]
    return [*lines, *of_machine(machine_look.look(settings, environ, uid, now))]


def of_namespace(observed: Namespace) -> list[Line]:
    """Return the lines about the namespace. Pure."""
    return [line for check in OF_THE_NAMESPACE if (line := check(observed)) is not None]


def of_machine(observed: Machine) -> list[Line]:
    """Return the lines about the machine. Pure."""
    return [check(observed) for check in OF_THE_MACHINE]
