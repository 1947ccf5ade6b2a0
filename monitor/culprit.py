"""Whose fault a failure is, from what a probe found at that moment. Pure.

The engine's own words say what failed for it; the probe says what works: this machine, the line, its name servers, the
far end. What only somebody far away can have said, such as an HTTP status, is never overruled.
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
# These say too little of the cause, or show it at a place where something else ran into it.
OPEN = frozenset(
    {Kind.TIMEOUT, Kind.DNS, Kind.UNREACHABLE, Kind.NO_SERVER, Kind.STAGE_FAILED, Kind.BAD_OUTPUT, Kind.UNKNOWN}
)
# These never reached the network, so there is nothing to find out.
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
    """What the findings come to; `kind` None leaves the engine's."""

    scope: Scope
    words: str
    kind: Kind | None = None


def explain(failure: Failure, found: Findings, asked: Asked) -> Failure:
    """Return the failure with the scope, and where it is vague the kind, that the findings show."""
    verdict = judge(found, asked)
    told = replace(failure, message=_message(failure.message, verdict.words))
    if failure.kind not in OPEN:
        return told
    if verdict.kind in {Kind.NAMESPACE, Kind.UNREACHABLE, Kind.DNS}:
        return replace(told, kind=verdict.kind, scope=verdict.scope)
    kind = verdict.kind if verdict.kind and failure.kind in _VAGUE else failure.kind
    scope = verdict.scope if failure.scope is Scope.UNKNOWN else failure.scope
    return replace(told, kind=kind, scope=scope)


def lost_namespace(failure: Failure, words: str) -> Failure:
    """Return the failure of a test during which the namespace went away or broke."""
    return replace(failure, kind=Kind.NAMESPACE, scope=Scope.LOCAL, message=_message(failure.message, words))


def judge(found: Findings, asked: Asked) -> Verdict:
    """Return what the findings come to: from what is nearest to what is farthest."""
    return _at_home(found, asked) or _line(found) or _names(found, asked) or _far(found)


def _at_home(found: Findings, asked: Asked) -> Verdict | None:
    if not asked.inside:
        return None
    down = [link.name for link in found.links if not link.up]
    missing = [f"{', '.join(down)} is down"] if down else []
    missing += [] if found.addresses else ["there is no address"]
    missing += [] if any(route.is_default for route in found.routes) else ["there is no default route"]
    if not missing:
        return None
    return Verdict(Scope.LOCAL, f"in the namespace {' and '.join(missing)}", Kind.NAMESPACE)


def _line(found: Findings) -> Verdict | None:
    tried = (*found.hosts, *found.far)
    if not tried or any(answer.ok for answer in tried):
        return None
    if any(answer.ok for answer in found.direct):
        reached = _words(answer for answer in found.direct if answer.ok)
        words = f"the host reaches {reached}, the namespace does not: see `speedmon check`"
        return Verdict(Scope.LOCAL, words, Kind.NAMESPACE)
    if found.uplink is None:
        return Verdict(Scope.LINE, "the host has no IPv4 default route", Kind.UNREACHABLE)
    if not found.uplink.up:
        return Verdict(Scope.LINE, f"uplink {found.uplink.name} has no carrier", Kind.UNREACHABLE)
    return Verdict(Scope.LINE, f"nothing answers: {_words(tried)}", Kind.UNREACHABLE)


def _names(found: Findings, asked: Asked) -> Verdict | None:
    if any(server.ok for server in found.servers):
        return None
    if not found.servers:
        return Verdict(Scope.CONFIG, "there is no name server in resolv.conf", Kind.DNS)
    scope = Scope.CONFIG if asked.own_dns else Scope.LINE
    return Verdict(scope, f"the line works, but no name server answers: {_words(found.servers)}", Kind.DNS)


def _far(found: Findings) -> Verdict:
    lost = [answer for answer in found.far if not answer.ok]
    if not lost:
        working = "the line, its DNS and a connection to the provider" if found.far else "the line and its DNS"
        return Verdict(Scope.PROVIDER, f"a moment later {working} worked")
    kind = Kind.REFUSED if any(answer.error == "ECONNREFUSED" for answer in lost) else Kind.PROVIDER_DOWN
    return Verdict(Scope.PROVIDER, f"the line works, but not the far end: {_words(lost)}", kind)


def _words(answers: Iterable[Answer]) -> str:
    return ", ".join(f"{answer.target} {answer.error}" if answer.error else answer.target for answer in answers)


def _message(said: str, found: str) -> str:
    found = f"; probe: {found}"[:MAX_MESSAGE]
    room = MAX_MESSAGE - len(found)
    return (said if len(said) <= room else said[: max(0, room - 1)] + "…") + found
