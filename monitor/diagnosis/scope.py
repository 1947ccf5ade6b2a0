"""Whose fault a failure is, judged by the findings of a diagnosis at that moment. Pure.

The engine's message names what failed for it; the findings show what works: this machine, the line, its DNS servers,
the provider. What only a distant server can have answered, such as an HTTP status, is never overruled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor.model import FailureKind, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.model import Failure
    from netns.probe.findings import Findings, ProbeAnswer


MAX_MESSAGE = 300

# These kinds say too little about the cause, or name only its effect.
REVISABLE_KINDS = frozenset(
    {
        FailureKind.TIMEOUT,
        FailureKind.DNS,
        FailureKind.UNREACHABLE,
        FailureKind.NO_SERVER,
        FailureKind.STAGE_FAILED,
        FailureKind.BAD_OUTPUT,
        FailureKind.UNKNOWN,
    }
)

# Failures of these kinds never reached the network, so a diagnosis finds nothing.
NON_NETWORK_KINDS = frozenset(
    {
        FailureKind.NOT_INSTALLED,
        FailureKind.WRONG_BINARY,
        FailureKind.LICENCE,
        FailureKind.NAMESPACE,
        FailureKind.INTERRUPTED,
        FailureKind.BIND,
    }
)

_VAGUE_KINDS = frozenset({FailureKind.NO_SERVER, FailureKind.STAGE_FAILED, FailureKind.UNKNOWN})


@dataclass(frozen=True, slots=True)
class DiagnosisTargets:
    """What a diagnosis connects to and looks up.

    Attributes:
        hosts: well-known hosts, which belong to nobody in particular.
        far: hosts of the engine's provider, and the server of the test.
        own_dns: the configuration names the DNS servers.
        inside: it runs in the namespace.
        name: the name that each DNS server is asked to resolve.
        host_link: the host's end of the namespace's link, which is no uplink.
    """

    hosts: tuple[str, ...]
    far: tuple[str, ...] = ()
    own_dns: bool = False
    inside: bool = True
    name: str = ""
    host_link: str | None = None


@dataclass(frozen=True, slots=True)
class ScopeVerdict:
    """What the findings mean; `kind` None keeps the kind that the engine's message gave."""

    scope: Scope
    message: str
    kind: FailureKind | None = None


def apply_findings(failure: Failure, findings: Findings, targets: DiagnosisTargets) -> Failure:
    """Return the failure with the scope, and where it is vague the kind, that the findings show."""
    verdict = judge_findings(findings, targets)
    completed = replace(failure, message=_append_findings(failure.message, verdict.message))
    if failure.kind not in REVISABLE_KINDS:
        return completed
    if verdict.kind in {FailureKind.NAMESPACE, FailureKind.UNREACHABLE, FailureKind.DNS}:
        return replace(completed, kind=verdict.kind, scope=verdict.scope)
    kind = verdict.kind if verdict.kind and failure.kind in _VAGUE_KINDS else failure.kind
    scope = verdict.scope if failure.scope is Scope.UNKNOWN else failure.scope
    return replace(completed, kind=kind, scope=scope)


def to_namespace_failure(failure: Failure, message: str) -> Failure:
    """Return the failure of a test during which the namespace went away or broke."""
    return replace(
        failure, kind=FailureKind.NAMESPACE, scope=Scope.LOCAL, message=_append_findings(failure.message, message)
    )


def judge_findings(findings: Findings, targets: DiagnosisTargets) -> ScopeVerdict:
    """Return what the findings mean: the nearest thing that does not work is to blame."""
    return (
        _judge_namespace(findings, targets)
        or _judge_line(findings)
        or _judge_dns(findings, targets)
        or _judge_provider(findings)
    )


def _judge_namespace(findings: Findings, targets: DiagnosisTargets) -> ScopeVerdict | None:
    if not targets.inside:
        return None
    down = [link.name for link in findings.links if not link.up]
    missing = [f"{', '.join(down)} is down"] if down else []
    missing += [] if findings.addresses else ["there is no address"]
    missing += [] if any(route.is_default for route in findings.routes) else ["there is no default route"]
    if not missing:
        return None
    return ScopeVerdict(Scope.LOCAL, f"in the namespace {' and '.join(missing)}", FailureKind.NAMESPACE)


def _judge_line(findings: Findings) -> ScopeVerdict | None:
    tried = (*findings.hosts, *findings.far)
    if not tried or any(answer.ok for answer in tried):
        return None
    if any(answer.ok for answer in findings.direct):
        reached = _describe_answers(answer for answer in findings.direct if answer.ok)
        message = f"the host reaches {reached}, the namespace does not: see `speedmon check`"
        return ScopeVerdict(Scope.LOCAL, message, FailureKind.NAMESPACE)
    if findings.uplink is None:
        return ScopeVerdict(Scope.LINE, "the host has no IPv4 default route", FailureKind.UNREACHABLE)
    if not findings.uplink.up:
        return ScopeVerdict(Scope.LINE, f"uplink {findings.uplink.name} has no carrier", FailureKind.UNREACHABLE)
    return ScopeVerdict(Scope.LINE, f"nothing answers: {_describe_answers(tried)}", FailureKind.UNREACHABLE)


def _judge_dns(findings: Findings, targets: DiagnosisTargets) -> ScopeVerdict | None:
    if any(server.ok for server in findings.servers):
        return None
    if not findings.servers:
        return ScopeVerdict(Scope.CONFIG, "there is no name server in resolv.conf", FailureKind.DNS)
    scope = Scope.CONFIG if targets.own_dns else Scope.LINE
    return ScopeVerdict(
        scope, f"the line works, but no name server answers: {_describe_answers(findings.servers)}", FailureKind.DNS
    )


def _judge_provider(findings: Findings) -> ScopeVerdict:
    lost = [answer for answer in findings.far if not answer.ok]
    if not lost:
        working = "the line, its DNS and a connection to the provider" if findings.far else "the line and its DNS"
        return ScopeVerdict(Scope.PROVIDER, f"a moment later {working} worked")
    kind = FailureKind.REFUSED if any(answer.error == "ECONNREFUSED" for answer in lost) else FailureKind.PROVIDER_DOWN
    return ScopeVerdict(Scope.PROVIDER, f"the line works, but not the far end: {_describe_answers(lost)}", kind)


def _describe_answers(answers: Iterable[ProbeAnswer]) -> str:
    return ", ".join(f"{answer.target} {answer.error}" if answer.error else answer.target for answer in answers)


def _append_findings(engine_message: str, diagnosis: str) -> str:
    """Return both messages as one of limited length; the engine's is shortened where necessary."""
    suffix = f"; diagnosis: {diagnosis}"[:MAX_MESSAGE]
    room = MAX_MESSAGE - len(suffix)
    return (engine_message if len(engine_message) <= room else engine_message[: max(0, room - 1)] + "…") + suffix
