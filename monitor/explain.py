"""Find out whose fault a failure is, at the moment it happens: runs the probe process on the path of the test.

Change here what is probed, and when; `monitor.culprit` decides what the findings mean.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from monitor import culprit
from monitor.model import Path
from netns.errors import NetnsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from monitor.engines.model import Engine
    from monitor.interrupts import Interrupts
    from monitor.model import Failure, Server
    from monitor.settings import Settings
    from netns.findings import Findings

# Where Ookla's servers listen; `host` of its events has no port.
TEST_PORT = 8080


def diagnose(
    failure: Failure,
    targets: culprit.Asked,
    enter: Callable[[list[str]], list[str]],
    env: Mapping[str, str],
    interrupts: Interrupts,
) -> tuple[Failure, Findings | None]:
    """Return the failure with what the probe says about it, and the probe's findings.

    Findings are None where the failure has nothing to do with the network, and where the probe was interrupted or could
    not run.

    Args:
        failure: why the test failed, by what the engine printed.
        targets: what the probe connects to and looks up.
        enter: makes a command run over the path of the test; raises a NetnsError where that is not possible.
        env: the environment of the probe.
        interrupts: signals that end it.
    """
    if failure.kind in culprit.NOT_OF_THE_NETWORK:
        return failure, None
    try:
        findings = _run_probe(targets, enter, env, interrupts)
    except NetnsError as error:
        return culprit.lost_namespace(failure, str(error)), None
    return (culprit.explain(failure, findings, targets), findings) if findings else (failure, None)


def _run_probe(
    targets: culprit.Asked,
    enter: Callable[[list[str]], list[str]],
    env: Mapping[str, str],
    interrupts: Interrupts,
) -> Findings | None:
    """Return what the probe found on the path of the test; None where it was interrupted or could not run.

    Raises:
        NetnsError: the namespace is no longer sound.
    """
    from monitor import inquiry  # noqa: PLC0415  only a failure needs it

    argv = enter(inquiry.command(targets.name, (*targets.hosts, *targets.far)))
    result = inquiry.ask(argv, env, targets.hosts if targets.inside else (), interrupts)
    if result.findings is None:
        return None
    own, answers = len(targets.hosts), result.findings.hosts
    uplink = inquiry.uplink(targets.host_link)
    return replace(result.findings, hosts=answers[:own], far=answers[own:], direct=result.direct, uplink=uplink)


def whom(settings: Settings, engine: Engine, path: Path, server: Server | None) -> culprit.Asked:
    """Return what a probe connects to: the hosts of the settings, the engine's provider, and the server of the test."""
    far = [engine.home] if engine.home else []
    if server and (host := server.ip or server.host):
        far.append(host if ":" in host else f"{host}:{TEST_PORT}")
    return culprit.Asked(
        hosts=tuple(settings.check.hosts),
        far=tuple(far),
        own_dns=bool(settings.namespace.dns),
        inside=path is Path.IP4ONLY,
        name=settings.check.name,
        host_link=f"{settings.namespace.name}-root",
    )
