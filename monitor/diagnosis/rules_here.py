"""Rules about this machine: the namespace, the clock, the uplink, and what keeps packets in. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.diagnosis.rules import Verdict, is_settled, list_targets
from monitor.diagnosis.side import GENUINE, IMPOSTOR, KEPT_IN, SILENT
from monitor.model import FailureKind, Scope
from netns.probe import findings as found

if TYPE_CHECKING:
    from monitor.diagnosis.evidence import FailureEvidence
    from monitor.diagnosis.side import Side
    from netns.probe.findings import ProbeAnswer


SET_UP_AGAIN = "run: sudo speedmon setup-netns"

# So few of the packets that were to be sent may leave by the uplink while its router is there, as others send some too.
_LEFT_SHARE = 1 / 3

_MANY_ATTEMPTS = 6


def judge_namespace(evidence: FailureEvidence) -> Verdict | None:
    """The namespace has lost its link, its address or its route."""
    if not evidence.targets.inside:
        return None
    findings = evidence.findings
    down = [link.name for link in findings.links if not link.up]
    missing = [f"{', '.join(down)} is down"] if down else []
    missing += [] if findings.addresses else ["there is no address"]
    missing += [] if any(route.is_default for route in findings.routes) else ["there is no default route"]
    if not missing:
        return None
    return Verdict(
        Scope.LOCAL,
        "namespace broken",
        f"in the namespace {' and '.join(missing)}; {SET_UP_AGAIN}",
        FailureKind.NAMESPACE,
    )


def judge_clock(evidence: FailureEvidence) -> Verdict | None:
    """Certificates of strangers are valid but for their dates: the clock is wrong."""
    answers = evidence.path.witnesses
    dated = [answer for answer in answers if answer.tls == found.TLS_DATE]
    valid = [answer for answer in answers if answer.tls in GENUINE - {found.TLS_DATE}]
    if is_settled(evidence) or len(dated) <= len(valid):
        return None
    return Verdict(
        Scope.LOCAL,
        "clock wrong",
        f"the clock of this machine is wrong: by it, the certificates of {list_targets(dated)} are not valid;"
        " run: sudo timedatectl set-ntp true",
        FailureKind.TLS,
    )


def judge_issuers(evidence: FailureEvidence) -> Verdict | None:
    """No certificate can be checked, as this machine knows no issuers."""
    unchecked = [answer for answer in evidence.path.witnesses if answer.tls == found.TLS_UNCHECKED]
    if evidence.failure.kind is not FailureKind.TLS or not unchecked:
        return None
    return Verdict(Scope.CONFIG, "no issuers", "this machine knows no issuers of certificates; install ca-certificates")


def judge_way_out(evidence: FailureEvidence) -> Verdict | None:
    """The host reaches strangers, the namespace does not."""
    host = evidence.host
    if not evidence.targets.inside or host is None or is_settled(evidence) or not _is_cut_off(evidence.path, host):
        return None
    odd = [answer for answer in evidence.path.witnesses if answer.tls in IMPOSTOR]
    what = "gets the answers of somebody else" if odd and host.proven else "does not"
    return Verdict(
        Scope.LOCAL,
        "namespace cut off",
        f"the host gets answers ({host.proofs[0]}), the namespace {what}: see `sudo speedmon check`",
        FailureKind.NAMESPACE,
    )


def _is_cut_off(path: Side, host: Side) -> bool:
    """Whether only the host gets answers; where strangers answer it, name servers alone are none for the namespace."""
    if not path.proofs:
        return bool(host.proofs)
    strangers = [answer for answer in path.findings.hosts if answer.sent]
    return bool(host.genuine and strangers) and not any(answer.ok for answer in (*strangers, *path.findings.far))


def judge_uplink(evidence: FailureEvidence) -> Verdict | None:
    """Nothing came back, and the uplink of this host is down, or has lost its carrier, address or route."""
    host = evidence.host
    if is_settled(evidence) or evidence.path.proofs or host is None or host.proofs or host.host is None:
        return None
    uplink = host.uplink
    if uplink is None:
        return _judge_links(host)
    if not uplink.up:
        return _local(
            "uplink down", f"uplink {uplink.name} was set down on this host; run: sudo ip link set {uplink.name} up"
        )
    if uplink.carrier is False:
        return Verdict(Scope.LINE, "no carrier", f"uplink {uplink.name} has no carrier", FailureKind.UNREACHABLE)
    if wrong := _judge_gateway(host):
        return wrong
    if uplink.address is None and not host.has_default_route:
        return _local(
            "no address", f"uplink {uplink.name} has lost its address; renew it or restart the network of this host"
        )
    return None if host.has_default_route else _judge_missing_route(host, uplink.name)


def _judge_links(host: Side) -> Verdict | None:
    """Which link was the uplink is not known, and there is no default route."""
    links = [link for link in host.findings.links if link.name not in {"lo", host.targets.host_link}]
    if host.has_default_route or not links:
        return None
    if all(link.up and link.carrier is False for link in links):
        return Verdict(Scope.LINE, "no carrier", "no link of this host has a carrier", FailureKind.UNREACHABLE)
    return _local("no default route", "this host has no IPv4 default route; restart its network")


def _judge_gateway(host: Side) -> Verdict | None:
    """The default route leads elsewhere than over the router of the last good test, or to an address of nobody."""
    if not host.has_default_route or host.uplink is None:
        return None
    former, router = host.findings.former, host.router_address
    entry = next((entry for entry in host.findings.neighbours if entry.address == router), None)
    if entry and entry.permanent and not (host.findings.router and host.findings.router.ok):
        reason = f"the hardware address of router {router} was entered by hand, and nobody answers there"
        return _local("router's address", f"{reason}; run: sudo ip neighbour del {router} dev {entry.link}")
    if former and former.ok:
        return _judge_former(former.target, router, host)
    resolving = [server for server in host.name_servers if _resolves_near(host, server)]
    if host.router_answers is True or not resolving:
        return None
    reason = f"router {router} does not answer, and name server {resolving[0]} in the same network knows names"
    return Verdict(Scope.UNKNOWN, "router or route", reason, FailureKind.UNREACHABLE)


def _judge_former(former: str, router: str | None, host: Side) -> Verdict:
    """The router of the last good test answers, and the default route no longer leads there."""
    if router and host.router_answers is True:
        reason = f"the default route leads to {router} since the last good test, and its router {former} answers too"
        return Verdict(Scope.UNKNOWN, "another router", reason, FailureKind.UNREACHABLE)
    leads = f"leads to {router}, which does not answer" if router else "names no router"
    link = host.uplink.name if host.uplink else ""
    reason = f"the default route {leads}, and router {former} of the last good test does"
    return _local("wrong router", f"{reason}; run: sudo ip route replace default via {former} dev {link}")


def _resolves_near(host: Side, server: str) -> bool:
    return host.is_neighbour(server) and any(answer.ok for answer in host.answers_of(server))


def _judge_missing_route(host: Side, link: str) -> Verdict:
    reason = f"this host has no IPv4 default route, although {link} is up"
    if host.router_answers is False:
        router = host.router_address
        return Verdict(
            Scope.UNKNOWN,
            "no default route",
            f"{reason}, and its router {router} does not answer",
            FailureKind.UNREACHABLE,
        )
    answers = " and its router answers" if host.router_answers else ""
    return _local("no default route", f"{reason}{answers}; restart the network of this host, or add the route")


def judge_kept_in(evidence: FailureEvidence) -> Verdict | None:
    """Nobody was reached, as nothing left: a firewall or a rule of this host keeps packets in."""
    host = evidence.host
    sides = [side for side in (evidence.path, host) if side is not None]
    if is_settled(evidence) or any(
        answer.ok for side in sides for answer in (*side.findings.hosts, *side.findings.far)
    ):
        return None
    asked = [answer for side in sides for answer in side.findings.hosts if answer.sent]
    refused = [answer for side in sides for answer in side.findings.hosts if _is_refused_here(side, answer)]
    if refused and 2 * len(refused) >= len(asked):
        return _local(
            "refused here", f"a firewall of this host refuses what the test sends ({list_targets(refused)}); allow it"
        )
    if host and not host.proofs and (host.findings.undelivered or 0) >= max(_MANY_ATTEMPTS, len(asked)):
        reason = f"{host.findings.undelivered} packets came for this host, and no program got them"
        return _local("replies dropped", f"{reason}: a firewall of this host drops replies; allow them")
    # Name servers may be let through alone, so their answers count only here.
    if evidence.proofs or host is None or host.proofs or host.router_answers is False or not _stays_inside(host):
        return None
    return _local("nothing leaves", "what this host sends does not leave it: see its firewall and `ip rule`")


def _is_refused_here(side: Side, answer: ProbeAnswer) -> bool:
    """Whether this host refused a connection; the kernel also does so in the name of a router that is gone."""
    return side.is_own_refusal(answer) and (side.router_answers is not False or answer.error in {"EPERM", "EACCES"})


def _stays_inside(host: Side) -> bool:
    answers = [*host.findings.hosts, *host.findings.far]
    blocked = [answer for answer in answers if answer.error in KEPT_IN]
    if answers and len(blocked) == len(answers):
        return True
    attempts = sum(answer.sent for answer in answers if answer.error in SILENT or answer.error == "ECONNREFUSED")
    uplink = host.uplink
    return bool(
        uplink and uplink.left is not None and attempts >= _MANY_ATTEMPTS and uplink.left < attempts * _LEFT_SHARE
    )


def _local(rule: str, reason: str) -> Verdict:
    return Verdict(Scope.LOCAL, rule, reason, FailureKind.UNREACHABLE)
