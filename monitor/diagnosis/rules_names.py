"""Rules about name servers: none that works, one that answers the host only, one that hides the provider. Pure.

They ask for the names of others first: only where those are known does an unknown name of the provider mean anything.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from monitor.diagnosis.rules import Verdict, describe_answers, is_settled, name_time
from monitor.diagnosis.rules_here import SET_UP_AGAIN
from monitor.diagnosis.rules_line import find_shared_address
from monitor.diagnosis.side import GENUINE, is_home_address, is_reply, resolves
from monitor.model import FailureKind, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.diagnosis.evidence import FailureEvidence
    from monitor.diagnosis.side import Side
    from netns.probe.findings import ProbeAnswer


# What a connection to the provider shows where it works.
WORKING = GENUINE | {None}


def judge_names(evidence: FailureEvidence) -> Verdict | None:
    """No name server of the test's path resolves any name."""
    path = evidence.path
    if lying := _judge_one_address(evidence, path):
        return lying
    if is_settled(evidence) or resolves(path):
        return None
    if not path.name_servers:
        return _dns(Scope.CONFIG, "no name server", "there is no name server in resolv.conf; set namespace.dns")
    if evidence.targets.own_dns:
        reason = (
            f"the name servers of the settings do not answer: {_describe_servers(path)}; set namespace.dns to others"
        )
        return _dns(Scope.CONFIG, "own name servers", reason)
    return _judge_copy(evidence) or _judge_servers(evidence, path)


def _judge_one_address(evidence: FailureEvidence, path: Side) -> Verdict | None:
    """A name server gives the same address for names of different operators, and no login page is there."""
    address = find_shared_address(path)
    if address is None or is_settled(evidence):
        return None
    reason = f"a name server gives {address} as the address of every name: {_list_servers(path)}"
    if evidence.targets.own_dns:
        return _dns(Scope.CONFIG, "one address", f"{reason}; set namespace.dns to others")
    if all(_is_own(path, server) or path.is_neighbour(server) for server in path.name_servers):
        return _dns(Scope.CONFIG, "one address", f"{reason}, in your own network")
    return _dns(Scope.LINE, "one address", reason)


def _list_servers(path: Side) -> str:
    return ", ".join(path.name_servers)


def judge_hosts_file(evidence: FailureEvidence) -> Verdict | None:
    """The provider's name is in /etc/hosts, and nobody answers there as the provider."""
    entries = {name.name: name.answer for name in evidence.findings.hosts_file}
    works = {
        answer.target.rpartition(":")[0] for answer in evidence.findings.far if answer.ok and answer.tls in WORKING
    }
    wrong = [name for name in entries if name not in works or not _leads_somewhere(entries[name])]
    if is_settled(evidence) or not wrong:
        return None
    reason = (
        f"/etc/hosts gives {entries[wrong[0]].said} for {wrong[0]}, and the provider is not there; remove that line"
    )
    return _dns(Scope.CONFIG, "hosts file", reason)


def judge_queries_kept_in(evidence: FailureEvidence) -> Verdict | None:
    """This host refuses to let queries out."""
    path = evidence.path
    answers = [
        answer for server in path.name_servers if not _is_own(path, server) for answer in path.answers_of(server)
    ]
    if is_settled(evidence) or resolves(path) or not answers:
        return None
    refused = [answer for answer in answers if answer.error in {"EPERM", "EACCES"} or _is_refused_by_host(path, answer)]
    if len(refused) < len(answers):
        return None
    return _dns(Scope.LOCAL, "queries refused here", "a firewall of this host lets no query to a name server out; allow"
                " UDP port 53")  # fmt: skip


def _is_refused_by_host(path: Side, answer: ProbeAnswer) -> bool:
    return answer.error == "ECONNREFUSED" and answer.sender is not None and path.is_own_refusal(answer)


def _judge_copy(evidence: FailureEvidence) -> Verdict | None:
    """Compare with the host, whose name servers are asked at the same time."""
    host, path = evidence.host, evidence.path
    if not evidence.targets.inside or host is None or not resolves(host):
        return None
    silent, working = ", ".join(path.name_servers), ", ".join(host.name_servers)
    if all(":" in server for server in host.name_servers):
        reason = f"this host has name servers of IPv6 only ({working}); the namespace asks {silent}, which is silent"
        return _dns(Scope.LOCAL, "name servers of IPv6", f"{reason}; set namespace.dns to one of IPv4")
    if set(path.name_servers) & set(host.name_servers):
        reason = f"name server {silent} answers this host, but not the namespace; set namespace.dns to one that does"
        return _dns(Scope.LOCAL, "answers the host only", reason)
    reason = f"the namespace uses name server {silent}, which does not answer, and this host uses {working}"
    return _dns(Scope.LOCAL, "copy out of date", f"{reason}; {SET_UP_AGAIN}")


def _judge_servers(evidence: FailureEvidence, path: Side) -> Verdict:
    servers = path.name_servers
    host_servers = evidence.host.name_servers if evidence.host else ()
    if evidence.targets.inside and all(ipaddress.ip_address(server).is_loopback for server in servers):
        reason = f"the namespace asks {', '.join(servers)}, where nobody is: its own resolv.conf is missing"
        return _dns(Scope.LOCAL, "copy missing", f"{reason}; {SET_UP_AGAIN}")
    own = [server for server in (*servers, *host_servers) if _is_own(path, server)]
    if own and _is_dead_here(evidence, own):
        return _dns(
            Scope.LOCAL, "local name server", f"the name server {own[0]} on this host does not answer; restart it"
        )
    if all(_is_own(path, server) for server in servers):
        reason = f"the name server {own[0]} on this host answers, but gets no answers itself: {_describe_servers(path)}"
        return _dns(Scope.UNKNOWN, "local name server fails", reason)
    if all(path.is_neighbour(server) for server in servers):
        reason = f"the name server in your own network does not answer: {_describe_servers(path)}"
        return _dns(Scope.CONFIG, "name server at home", reason)
    return _dns(
        Scope.LINE, "name servers silent", f"the line works, but no name server does: {_describe_servers(path)}"
    )


def _is_dead_here(evidence: FailureEvidence, own: Sequence[str]) -> bool:
    """Whether a name server on this host is dead itself, rather than without answers from its own servers."""
    sides = [evidence.path, *([evidence.host] if evidence.host else [])]
    answers = [answer for side in sides for server in own for answer in side.answers_of(server)]
    return bool(answers) and not any(is_reply(answer) for answer in answers)


def _is_own(side: Side, server: str) -> bool:
    """Whether a name server runs on this host."""
    return ipaddress.ip_address(server).is_loopback or server in side.own_addresses


def judge_provider_name(evidence: FailureEvidence) -> Verdict | None:
    """Names of others are known, that of the provider is not."""
    path = evidence.path
    answers = [answer for server in path.name_servers for answer in path.answers_of(server, far=True)]
    if is_settled(evidence) or not answers or any(_leads_somewhere(answer) for answer in answers):
        return None
    if any(answer.ok for answer in answers):
        said = next(answer.said for answer in answers if answer.ok)
        return _dns(
            Scope.CONFIG, "name blocked", f"the name server gives {said} for the provider's name: a filter blocks it"
        )
    others = [name.answer for name in path.findings.far_names if name.answer.target not in path.name_servers]
    known = [answer for answer in others if _leads_somewhere(answer)]
    reason = f"the provider's name is not known: {describe_answers(answers)}"
    if not known:
        scope = Scope.CONFIG if evidence.targets.own_server else Scope.PROVIDER
        return _dns(scope, "provider's name", reason)
    reason += f", but {known[0].target} knows it"
    if all(_is_own(path, s) or path.is_neighbour(s) or s == path.router_address for s in path.name_servers):
        return _dns(Scope.CONFIG, "name blocked", f"{reason}: the name server at home blocks it, or is broken")
    scope = Scope.CONFIG if evidence.targets.own_dns else Scope.UNKNOWN
    return _dns(scope, "name hidden", reason)


def _leads_somewhere(answer: ProbeAnswer) -> bool:
    if not answer.ok or answer.said is None:
        return False
    address = ipaddress.IPv4Address(answer.said)
    return not (address.is_unspecified or address.is_loopback or is_home_address(address))


def judge_first_server(evidence: FailureEvidence) -> Verdict | None:
    """The engine could not resolve a name, and one of several name servers is silent."""
    path = evidence.path
    if evidence.failure.kind is not FailureKind.DNS:
        return None
    silent = [server for server in path.name_servers if not any(map(is_reply, path.answers_of(server)))]
    if not silent:
        return None
    scope = Scope.CONFIG if evidence.targets.own_dns else Scope.LINE
    if any(_is_own(path, server) for server in silent):
        scope = Scope.LOCAL
    return _dns(scope, "name server silent", f"of the name servers, {', '.join(silent)} does not answer")


def judge_passing_names(evidence: FailureEvidence) -> Verdict | None:
    """The engine could not resolve a name that is known a moment later."""
    if evidence.failure.kind is not FailureKind.DNS:
        return None
    when = name_time(evidence.findings.at)
    return Verdict(Scope.UNKNOWN, "names known again", f"the name was not resolved, and {when} it was")


def _describe_servers(side: Side) -> str:
    said = []
    for server in side.name_servers:
        errors = dict.fromkeys(answer.error or "answers" for answer in side.answers_of(server))
        said.append(f"{server} {'/'.join(errors)}")
    return ", ".join(said)


def _dns(scope: Scope, rule: str, reason: str) -> Verdict:
    return Verdict(scope, rule, reason, FailureKind.DNS)
