"""Gathers the evidence of a failure at the moment it happens: asks the path of the test, and the host, what works.

Change here what is asked, and when; `monitor.diagnosis.verdict` decides what the answers mean. The questions are asked
by `netns.probe`, a process of its own on each side, both at the same time. `speedmon check` uses the same process.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from monitor.diagnosis import verdict
from monitor.diagnosis.evidence import OTHER_NAMES, DiagnosisTargets, FailureEvidence
from monitor.model import NetworkPath
from monitor.system import process
from netns.entry import uplink as uplink_check
from netns.errors import NetnsError
from netns.kernel.handle import is_entered
from netns.probe import reach
from netns.probe.findings import Question, from_json, parse_routes, question_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from monitor.config.settings import Settings
    from monitor.engines.base import Engine
    from monitor.model import Failure, Server
    from monitor.system.signals import Interrupts
    from netns.probe.findings import Findings, ProbeAnswer, TrafficSummary


# Where Ookla's servers listen; `host` of its events has no port.
TEST_PORT = 8080

# The engines whose servers listen there.
_PORT_ENGINES = frozenset({"ookla", "speedtest-cli"})

# The process ends itself after four seconds at most; the rest is for slow SD cards and processors.
DEADLINE_S = 10.0

ROUTES_FILE = Path("/proc/self/net/route")

# So many name servers of others are asked besides the host's own.
_RESOLVERS = 2

# Where a machine keeps its issuers of certificates, if not in the usual place.
_ISSUER_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Asker:
    """How a diagnosis asks.

    Attributes:
        enter: makes a command run over the path of the test; raises a NetnsError where that is not possible.
        env: the environment of the process.
        interrupts: signals that end it.
    """

    enter: Callable[[list[str]], list[str]]
    env: Mapping[str, str]
    interrupts: Interrupts | None = None


class DuringTest(NamedTuple):
    """What is known from the test itself: what was found while it stood still, and what the kernel counted."""

    stalled: Findings | None = None
    traffic: TrafficSummary | None = None


_NOTHING = DuringTest()


def diagnose(
    failure: Failure, targets: DiagnosisTargets, asker: Asker, during: DuringTest = _NOTHING
) -> tuple[Failure, Findings | None]:
    """Return the failure with the verdict on it, and the evidence.

    The evidence is None where the failure has nothing to do with the network, and where nothing could be asked.
    """
    if failure.kind in verdict.NON_NETWORK_KINDS:
        return failure, None
    try:
        findings = ask_both_sides(targets, asker)
    except NetnsError as error:
        return verdict.to_namespace_failure(failure, str(error)), None
    if findings is None:
        return failure, None
    findings = replace(findings, stalled=during.stalled, traffic=during.traffic)
    evidence = FailureEvidence(failure, findings, targets)
    judged = verdict.judge(evidence)
    return verdict.apply_verdict(failure, judged), replace(findings, verdict=verdict.to_stored(judged, evidence))


def ask_both_sides(targets: DiagnosisTargets, asker: Asker) -> Findings | None:
    """Return what was found on the path of the test, with the host's side in it; None where nothing could be asked.

    Raises:
        NetnsError: the namespace is no longer sound.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  only a failure needs it

    question = make_question(targets)
    argv = probe_command(question)
    on_path = asker.enter(probe_command(replace(question, expire_after=2 if targets.inside else 1)))
    env = {**asker.env, **{name: os.environ[name] for name in _ISSUER_VARIABLES if name in os.environ}}
    commands = [on_path, *([argv] if targets.inside and not targets.entered else [])]
    with ThreadPoolExecutor(len(commands)) as pool:
        ended = pool.map(
            lambda command: process.run(command, env=env, deadline_s=DEADLINE_S, interrupts=asker.interrupts), commands
        )
        found = [from_json(result.stdout) for result in ended]
    return replace(found[0], host=found[1] if len(found) > 1 else None) if found[0] else None


def make_question(targets: DiagnosisTargets) -> Question:
    """Return the question that both sides are asked."""
    addresses = [host.rpartition(":")[0] for host in targets.hosts]
    router = find_router(targets.host_link)
    return Question(
        name=targets.name,
        hosts=targets.hosts,
        far=targets.far,
        names=OTHER_NAMES,
        resolvers=tuple(address for address in addresses if not any(map(str.isalpha, address)))[:_RESOLVERS],
        router=router or targets.router,
        former=targets.router if router != targets.router else None,
        ports=targets.ports,
        thorough=True,
    )


class LastUplink(NamedTuple):
    """The host's uplink when a test last ran, and its router; None: not known."""

    link: str | None = None
    router: str | None = None


def diagnosis_targets(
    settings: Settings,
    engine: Engine,
    path: NetworkPath,
    server: Server | None = None,
    known: tuple[frozenset[str], tuple[str | None, str | None, str | None]] = (frozenset(), (None, None, None)),
) -> DiagnosisTargets:
    """Return what to ask: the witnesses of the settings, the engine's provider, and the server of the test.

    `known` are the witnesses that have answered before, and link, router and server of the last good test.
    """
    name, inside = settings.namespace.name, path is NetworkPath.IP4ONLY
    pinned = None if settings.namespace.uplink == "auto" else settings.namespace.uplink
    last_link, last_router, last_server = known[1]
    return DiagnosisTargets(
        hosts=tuple(settings.check.hosts),
        far=tuple(_far_hosts(settings, engine, server)),
        own_dns=inside and bool(settings.namespace.dns),
        own_server=engine.name == "iperf3",
        inside=inside,
        entered=inside and is_entered(name),
        name=settings.check.name,
        host_link=f"{name}-root",
        uplink=pinned or last_link or (uplink_check.read_uplink(name) if inside else None),
        router=settings.namespace.router or last_router,
        ports=_test_ports(engine, server, last_server),
        known=known[0],
    )


def _test_ports(engine: Engine, server: Server | None, last_server: str | None) -> tuple[str, ...]:
    """Return where a test would connect whose server is not known: to the last good one, and to a usual port."""
    if server is not None or engine.name not in _PORT_ENGINES:
        return ()
    at_home = f"{engine.home.rpartition(':')[0]}:{TEST_PORT}"
    before = [last_server if ":" in last_server else f"{last_server}:{TEST_PORT}"] if last_server else []
    return (*before, at_home)


def _far_hosts(settings: Settings, engine: Engine, server: Server | None) -> list[str]:
    home = engine.home
    if engine.name == "speedtest-cli" and settings.speedtest_cli.secure:
        home = home.replace(":80", ":443")
    if engine.name == "iperf3" and settings.iperf3.host:
        home = f"{settings.iperf3.host}:{settings.iperf3.port}"
    far = [home] if home else []
    if server and (host := server.ip or server.host):
        far.append(host if ":" in host else f"{host}:{TEST_PORT}")
    return list(dict.fromkeys(far))


class GatheredFindings(NamedTuple):
    """What was found, or the `problem` that prevented any findings.

    `direct` are the answers of the same hosts to connections from the host itself.
    """

    findings: Findings | None
    problem: str | None
    direct: tuple[ProbeAnswer, ...]


def findings_command(name: str, hosts: Sequence[str]) -> list[str]:
    """Return the command line that asks each name server for `name`, and connects to each host."""
    return probe_command(Question(name, tuple(hosts)))


def probe_command(question: Question) -> list[str]:
    """Return the command line that asks a question."""
    # -P: nothing in the working directory may take the place of a module; -I would hide what pip installed for a user.
    return [sys.executable, "-P", "-m", "netns.probe.run", question_to_json(question)]


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


def find_router(own_link: str | None) -> str | None:
    """Return the router of the host's IPv4 default route; None where there is none."""
    return find_last_uplink(own_link).router


def find_last_uplink(own_link: str | None) -> LastUplink:
    """Return the link and the router of the host's IPv4 default route, except one over `own_link`."""
    defaults = (route for route in parse_routes(_read_text(ROUTES_FILE)) if route.is_default)
    best = next((route for route in defaults if route.link != own_link), None)
    return LastUplink(best.link, best.gateway) if best else LastUplink()


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
