"""Whose fault a failure is, judged by the findings of a probe at that moment. Pure.

The engine's message says what failed for it; the findings say what works: this machine, the line, its DNS servers, the
provider. What only a distant server can have answered, such as an HTTP status, is never overruled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor.model import Kind, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.model import Failure
    from netns.findings import Answer, Findings

MAX_MESSAGE = 300
# These kinds say too little about the cause, or name only its effect.
OPEN = frozenset(
    {Kind.TIMEOUT, Kind.DNS, Kind.UNREACHABLE, Kind.NO_SERVER, Kind.STAGE_FAILED, Kind.BAD_OUTPUT, Kind.UNKNOWN}
)
# Failures of these kinds never reached the network, so a probe finds nothing.
NOT_OF_THE_NETWORK = frozenset(
    {Kind.NOT_INSTALLED, Kind.WRONG_BINARY, Kind.LICENCE, Kind.NAMESPACE, Kind.INTERRUPTED, Kind.BIND}
)
_VAGUE = frozenset({Kind.NO_SERVER, Kind.STAGE_FAILED, Kind.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a probe connects to and looks up.

    Attributes:
        hosts: well-known hosts, which belong to nobody in particular.
        far: hosts of the engine's provider, and the server of the test.
        own_dns: the configuration names the DNS servers.
        inside: it runs in the namespace.
        name: what each DNS server is asked for.
        host_link: the host's end of the namespace's link, which is no uplink.
    """

    hosts: tuple[str, ...]
    far: tuple[str, ...] = ()
    own_dns: bool = False
    inside: bool = True
    name: str = ""
    host_link: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the findings mean; `kind` None keeps the kind that the engine's message gave."""

    scope: Scope
    message: str
    kind: Kind | None = None


def explain(failure: Failure, findings: Findings, targets: Asked) -> Failure:
    """Return the failure with the scope, and where it is vague the kind, that the findings show."""
    verdict = judge(findings, targets)
    completed = replace(failure, message=_message(failure.message, verdict.message))
    if failure.kind not in OPEN:
        return completed
    if verdict.kind in {Kind.NAMESPACE, Kind.UNREACHABLE, Kind.DNS}:
        return replace(completed, kind=verdict.kind, scope=verdict.scope)
    kind = verdict.kind if verdict.kind and failure.kind in _VAGUE else failure.kind
    scope = verdict.scope if failure.scope is Scope.UNKNOWN else failure.scope
    return replace(completed, kind=kind, scope=scope)


def lost_namespace(failure: Failure, message: str) -> Failure:
    """Return the failure of a test during which the namespace went away or broke."""
    return replace(failure, kind=Kind.NAMESPACE, scope=Scope.LOCAL, message=_message(failure.message, message))


def judge(findings: Findings, targets: Asked) -> Verdict:
    """Return what the findings mean: the nearest thing that does not work is to blame."""
    return _at_home(findings, targets) or _line(findings) or _names(findings, targets) or _far(findings)


def _at_home(findings: Findings, targets: Asked) -> Verdict | None:
    if not targets.inside:
        return None
    down = [link.name for link in findings.links if not link.up]
    missing = [f"{', '.join(down)} is down"] if down else []
    missing += [] if findings.addresses else ["there is no address"]
    missing += [] if any(route.is_default for route in findings.routes) else ["there is no default route"]
    if not missing:
        return None
    return Verdict(Scope.LOCAL, f"in the namespace {' and '.join(missing)}", Kind.NAMESPACE)


def _line(findings: Findings) -> Verdict | None:
    tried = (*findings.hosts, *findings.far)
    if not tried or any(answer.ok for answer in tried):
        return None
    if any(answer.ok for answer in findings.direct):
        reached = _words(answer for answer in findings.direct if answer.ok)
        message = f"the host reaches {reached}, the namespace does not: see `speedmon check`"
        return Verdict(Scope.LOCAL, message, Kind.NAMESPACE)
    if findings.uplink is None:
        return Verdict(Scope.LINE, "the host has no IPv4 default route", Kind.UNREACHABLE)
    if not findings.uplink.up:
        return Verdict(Scope.LINE, f"uplink {findings.uplink.name} has no carrier", Kind.UNREACHABLE)
    return Verdict(Scope.LINE, f"nothing answers: {_words(tried)}", Kind.UNREACHABLE)


def _names(findings: Findings, targets: Asked) -> Verdict | None:
    if any(server.ok for server in findings.servers):
        return None
    if not findings.servers:
        return Verdict(Scope.CONFIG, "there is no name server in resolv.conf", Kind.DNS)
    scope = Scope.CONFIG if targets.own_dns else Scope.LINE
    return Verdict(scope, f"the line works, but no name server answers: {_words(findings.servers)}", Kind.DNS)


def _far(findings: Findings) -> Verdict:
    lost = [answer for answer in findings.far if not answer.ok]
    if not lost:
        working = "the line, its DNS and a connection to the provider" if findings.far else "the line and its DNS"
        return Verdict(Scope.PROVIDER, f"a moment later {working} worked")
    kind = Kind.REFUSED if any(answer.error == "ECONNREFUSED" for answer in lost) else Kind.PROVIDER_DOWN
    return Verdict(Scope.PROVIDER, f"the line works, but not the far end: {_words(lost)}", kind)


def _words(answers: Iterable[Answer]) -> str:
    return ", ".join(f"{answer.target} {answer.error}" if answer.error else answer.target for answer in answers)


def _message(engine_message: str, diagnosis: str) -> str:
    """Return both messages as one of limited length; the engine's is shortened where necessary."""
    suffix = f"; diagnosis: {diagnosis}"[:MAX_MESSAGE]
    room = MAX_MESSAGE - len(suffix)
    return (engine_message if len(engine_message) <= room else engine_message[: max(0, room - 1)] + "…") + suffix
