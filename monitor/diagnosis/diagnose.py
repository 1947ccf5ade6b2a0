"""Diagnoses a failure at the moment it happens: asks the path of the test what still works.

Change here what is asked, and when; `scope` decides what the findings mean. The questions are asked by `netns.probe`, a
process of its own that runs on the path of the test, and at the same time from the host itself. `speedmon check` uses
the same process.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from monitor.diagnosis import scope
from monitor.diagnosis.scope import DiagnosisTargets
from monitor.model import NetworkPath
from monitor.system import process
from netns.errors import NetnsError
from netns.probe import reach
from netns.probe.findings import InnerLink, from_json, parse_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from monitor.config.settings import Settings
    from monitor.engines.base import Engine
    from monitor.model import Failure, Server
    from monitor.system.signals import Interrupts
    from netns.probe.findings import Findings, ProbeAnswer


# Where Ookla's servers listen; `host` of its events has no port.
TEST_PORT = 8080

# The process takes two seconds, as its steps run in parallel; the rest is for slow SD cards and processors.
DEADLINE_S = 10.0

ROUTES_FILE = Path("/proc/self/net/route")

LINKS_FOLDER = Path("/sys/class/net")


def diagnose(
    failure: Failure,
    targets: DiagnosisTargets,
    enter: Callable[[list[str]], list[str]],
    env: Mapping[str, str],
    interrupts: Interrupts,
) -> tuple[Failure, Findings | None]:
    """Return the failure with what the diagnosis says about it, and the findings.

    Findings are None where the failure has nothing to do with the network, and where the diagnosis was interrupted or
    could not run.

    Args:
        failure: why the test failed, by what the engine printed.
        targets: what is connected to and looked up.
        enter: makes a command run over the path of the test; raises a NetnsError where that is not possible.
        env: the environment of the process.
        interrupts: signals that end it.
    """
    if failure.kind in scope.NON_NETWORK_KINDS:
        return failure, None
    try:
        findings = _find_on_path(targets, enter, env, interrupts)
    except NetnsError as error:
        return scope.to_namespace_failure(failure, str(error)), None
    return (scope.apply_findings(failure, findings, targets), findings) if findings else (failure, None)


def _find_on_path(
    targets: DiagnosisTargets,
    enter: Callable[[list[str]], list[str]],
    env: Mapping[str, str],
    interrupts: Interrupts,
) -> Findings | None:
    """Return what was found on the path of the test; None where the process was interrupted or could not run.

    Raises:
        NetnsError: the namespace is no longer sound.
    """
    argv = enter(findings_command(targets.name, (*targets.hosts, *targets.far)))
    result = gather_findings(argv, env, targets.hosts if targets.inside else (), interrupts)
    if result.findings is None:
        return None
    own, answers = len(targets.hosts), result.findings.hosts
    uplink = find_uplink(targets.host_link)
    return replace(result.findings, hosts=answers[:own], far=answers[own:], direct=result.direct, uplink=uplink)


def diagnosis_targets(settings: Settings, engine: Engine, path: NetworkPath, server: Server | None) -> DiagnosisTargets:
    """Return what to connect to: the hosts of the settings, the engine's provider, and the server of the test."""
    far = [engine.home] if engine.home else []
    if server and (host := server.ip or server.host):
        far.append(host if ":" in host else f"{host}:{TEST_PORT}")
    return DiagnosisTargets(
        hosts=tuple(settings.check.hosts),
        far=tuple(far),
        own_dns=bool(settings.namespace.dns),
        inside=path is NetworkPath.IP4ONLY,
        name=settings.check.name,
        host_link=f"{settings.namespace.name}-root",
    )


class GatheredFindings(NamedTuple):
    """What was found, or the `problem` that prevented any findings.

    `direct` are the answers of the same hosts to connections from the host itself.
    """

    findings: Findings | None
    problem: str | None
    direct: tuple[ProbeAnswer, ...]


def findings_command(name: str, hosts: Sequence[str]) -> list[str]:
    """Return the command line that asks each name server for `name`, and connects to each host."""
    # -P: nothing in the working directory may take the place of a module; -I would hide what pip installed for a user.
    return [sys.executable, "-P", "-m", "netns.probe.run", name, *hosts]


def gather_findings(
    argv: Sequence[str], env: Mapping[str, str], direct: Sequence[str] = (), interrupts: Interrupts | None = None
) -> GatheredFindings:
    """Run a command of `findings_command`, and connect to the hosts `direct` from here at the same time."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  only a failure needs it

    with ThreadPoolExecutor(max(1, len(direct))) as pool:
        answers = pool.map(reach.connect, direct)
        result = process.run(argv, env=env, deadline_s=DEADLINE_S, interrupts=interrupts)
        answers_inside = from_json(result.stdout)
        return GatheredFindings(answers_inside, None if answers_inside else _describe_failure(result), tuple(answers))


def find_uplink(own_link: str | None) -> InnerLink | None:
    """Return the link of the host's IPv4 default route, `up` if it has a carrier; None where there is no such route."""
    routes = parse_routes(_read_text(ROUTES_FILE))
    name = next((route.link for route in routes if route.is_default and route.link != own_link), None)
    if name is None:
        return None
    mtu = _read_text(LINKS_FOLDER / name / "mtu").strip()
    # A link that is down refuses to be read; links without a carrier of their own, such as tunnels, show 1.
    return InnerLink(name, _read_text(LINKS_FOLDER / name / "carrier").strip() == "1", int(mtu or 0))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _describe_failure(result: process.ProcessResult) -> str:
    if result.timed_out:
        return f"the diagnosis inside did not end within {DEADLINE_S:.0f} s"
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"the diagnosis inside failed: {lines[-1] if lines else f'exit code {result.exit_code}'}"
