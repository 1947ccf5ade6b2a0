"""At the moment of a failure, find out whose it is: a probe on the path of the test, kept with the run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from monitor import culprit
from monitor.model import Path, Status
from netns.errors import NetnsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.engines.model import Engine
    from monitor.interrupts import Interrupts
    from monitor.measure import World
    from monitor.model import Failure, Server
    from monitor.outcome import Order, Outcome
    from monitor.settings import Settings
    from netns.findings import Findings

# Where Ookla's servers listen; `host` of its events has no port.
TEST_PORT = 8080


def explain(  # noqa: PLR0913, PLR0917  what the probe needs of the test
    outcome: Outcome,
    engine: Engine,
    order: Order,
    settings: Settings,
    world: World,
    env: Mapping[str, str],
    interrupts: Interrupts,
) -> Outcome:
    """Return the outcome with what a probe found, and what that says of the culprit; unchanged if it did not fail."""
    failure = outcome.failure
    if failure is None or not _is_worth_a_probe(outcome, failure, settings):
        return outcome
    asked = whom(settings, engine, order, outcome.measurement.server)
    try:
        found = _look(asked, settings, world, env, interrupts)
    except NetnsError as error:
        return replace(outcome, failure=culprit.lost_namespace(failure, str(error)))
    if found is None:
        return outcome
    return replace(outcome, failure=culprit.explain(failure, found, asked), findings=found)


def _is_worth_a_probe(outcome: Outcome, failure: Failure, settings: Settings) -> bool:
    wanted = settings.collect.probe_failures and outcome.status is Status.FAILED
    return wanted and failure.kind not in culprit.NOT_OF_THE_NETWORK


def _look(
    asked: culprit.Asked, settings: Settings, world: World, env: Mapping[str, str], interrupts: Interrupts
) -> Findings | None:
    """Return what a probe found on the path of the test, None when it was ended or could not look.

    Raises:
        NetnsError: the namespace is no longer sound.
    """
    from monitor import inquiry  # noqa: PLC0415  only a failure needs it

    name = settings.namespace.name
    argv = inquiry.command(settings.check.name, (*asked.hosts, *asked.far))
    argv = world.wrap(name, argv, environ=world.environ) if asked.inside else argv
    told = inquiry.ask(argv, env, asked.hosts if asked.inside else (), interrupts)
    if told.findings is None:
        return None
    own, answers = len(asked.hosts), told.findings.hosts
    uplink = inquiry.uplink(f"{name}-root")
    return replace(told.findings, hosts=answers[:own], far=answers[own:], direct=told.direct, uplink=uplink)


def whom(settings: Settings, engine: Engine, order: Order, server: Server | None) -> culprit.Asked:
    """Return whom a probe has to ask: two of no concern, the engine's home and the server that it had chosen."""
    far = [engine.home] if engine.home else []
    if server and (host := server.ip or server.host):
        far.append(host if ":" in host else f"{host}:{TEST_PORT}")
    return culprit.Asked(
        hosts=tuple(settings.check.hosts),
        far=tuple(far),
        own_dns=bool(settings.namespace.dns),
        inside=order.path is Path.IP4ONLY,
    )
