"""Runs the checks of what a reliable test needs: `run_checks` returns a `CheckResult` for each.

They are two tables of pure functions over what was observed; to add one, write it in `checks` and add it here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from monitor.check import checks, observe
from monitor.model import NetworkPath
from netns.spec import parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from monitor.check.model import CheckResult, ObservedMachine, ObservedNamespace
    from monitor.config.settings import Settings


NAMESPACE_CHECKS: tuple[Callable[[ObservedNamespace], CheckResult | None], ...] = (
    checks.check_namespace,
    checks.check_launcher,
    checks.check_host_link,
    checks.check_firewall,
    checks.check_other_firewalls,
    checks.check_resolver,
    checks.check_inner_link,
    checks.check_addresses,
    checks.check_route,
    checks.check_ipv6,
    checks.check_ipv6_counter,
    checks.check_gateway,
    checks.check_dns,
    checks.check_forwarding,
)

MACHINE_CHECKS: tuple[Callable[[ObservedMachine], CheckResult], ...] = (
    checks.check_engine,
    checks.check_licence,
    checks.check_clock,
    checks.check_clock_synchronised,
    checks.check_disk,
    checks.check_database,
)


def run_checks(settings: Settings, environ: Mapping[str, str], uid: int, now: datetime) -> list[CheckResult]:
    """Observe once and return every line; where tests do not use the namespace, its lines do not matter.

    Raises:
        SpecError: the settings of the namespace cannot be used.
        UsageError: the settings name an unknown engine.
    """
    section = settings.namespace
    spec = parse_spec(section.name, section.subnet, section.uplink, tuple(section.dns), router=section.router)
    lines = judge_namespace(observe.observe_namespace(spec, settings.check, environ))
    if NetworkPath(settings.collect.path) is NetworkPath.HOST:
        lines = [dataclasses.replace(line, matters=False) for line in lines]
    return [*lines, *judge_machine(observe.observe_machine(settings, environ, uid, now))]


def judge_namespace(observed: ObservedNamespace) -> list[CheckResult]:
    """Return the lines about the namespace. Pure."""
    return [line for check in NAMESPACE_CHECKS if (line := check(observed)) is not None]


def judge_machine(observed: ObservedMachine) -> list[CheckResult]:
    """Return the lines about the machine. Pure."""
    return [check(observed) for check in MACHINE_CHECKS]
