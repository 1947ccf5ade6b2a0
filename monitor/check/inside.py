"""Checks of what the probe found inside the namespace. Pure; a check returns None when there was no probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.check.line import Line, judged
from netns.enter import MEND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.check.seen import Namespace
    from netns.findings import Answer, Findings


def links(observed: Namespace) -> Line | None:
    """Check loopback and the inner link: present, up, and with the MTU of the host's end."""
    if observed.findings is None:
        return None
    by_name = {link.name: link for link in observed.findings.links}
    expected = ("lo", observed.spec.inner_link)
    problems = [f"{name} is missing" for name in expected if name not in by_name]
    problems += [f"{name} is down" for name in expected if name in by_name and not by_name[name].up]
    inner, mtu = by_name.get(observed.spec.inner_link), observed.outside.mtus.get(observed.spec.host_link)
    if inner and mtu and inner.mtu != mtu:
        problems.append(f"MTU {inner.mtu} of {inner.name} is not the {mtu} of its other end")
    return judged("inner-link", problems, f"{observed.spec.inner_link} and lo are up", MEND)


def addresses(observed: Namespace) -> Line | None:
    """Check that there is one IPv4 address, the configured one."""
    if observed.findings is None:
        return None
    expected, addresses_inside = str(observed.spec.subnet[2]), observed.findings.addresses
    actual = f"inside has {', '.join(addresses_inside) or 'no IPv4 address'}"
    problems = (
        []
        if addresses_inside == (expected,)
        else [f"{actual}, where the configuration (namespace.subnet) wants {expected}"]
    )
    return judged("addresses", problems, actual, MEND)


def route(observed: Namespace) -> Line | None:
    """Check that there is one default route, over the inner link to the host."""
    if observed.findings is None:
        return None
    defaults = [(entry.gateway, entry.link) for entry in observed.findings.routes if entry.is_default]
    message = ", ".join(f"{gateway or 'nobody'} dev {link}" for gateway, link in defaults)
    expected = (str(observed.spec.subnet[1]), observed.spec.inner_link)
    problems = [] if defaults == [expected] else [f"default via {message}" if defaults else "no default route"]
    return judged("route", problems, f"default via {message}", MEND)


def ipv6(observed: Namespace) -> Line | None:
    """Check that there is no IPv6: off on each link, no address, no route, and a connection refused at once."""
    if observed.findings is None:
        return None
    findings = observed.findings
    problems = [f"IPv6 is switched on for {', '.join(findings.ipv6_open)}"] if findings.ipv6_open else []
    problems += [f"address {address}" for address in findings.ipv6_addresses]
    problems += [f"route {entry}" for entry in findings.ipv6_routes]
    problems += ["a connection over IPv6 was attempted"] if findings.ipv6.ok else []
    refusal = f"{findings.ipv6.error} after {findings.ipv6.ms:.1f} ms"
    return judged("ipv6", problems, f"no address, no route, connect fails at once ({refusal})", MEND)


def gateway(observed: Namespace) -> Line | None:
    """Check that the host's end answers a ping; a firewall may prevent that, which does not affect tests."""
    if observed.findings is None or observed.findings.gateway is None:
        return None
    ping = observed.findings.gateway
    if ping.ok:
        return Line("gateway", ok=True, message=f"{_answer(ping)} answers a ping", matters=False)
    fix = f"{MEND}; where that changes nothing, a firewall of this host drops pings, which does not affect tests"
    return Line(
        "gateway",
        ok=False,
        message=f"no ping: {_answer(ping)}",
        fix=fix,
        matters=not _through(observed.findings),
    )


def dns(observed: Namespace) -> Line | None:
    """Check the DNS servers: each was asked, and one that answers is enough for a test."""
    if observed.findings is None:
        return None
    probe_answers = observed.findings.servers
    if not probe_answers:
        return Line("dns", ok=False, message="no name server in /etc/resolv.conf inside", fix=_OTHER_SERVERS)
    if all(server.ok for server in probe_answers):
        return Line("dns", ok=True, message=answers(probe_answers))
    blocked = observed.findings.hosts and not _through(observed.findings)
    fix = "see forwarding first" if blocked else _OTHER_SERVERS
    return Line(
        "dns", ok=False, message=answers(probe_answers), fix=fix, matters=not any(server.ok for server in probe_answers)
    )


_OTHER_SERVERS = f"set namespace.dns to servers that answer, or check.name to a name that exists; {MEND}"


def forwarding(observed: Namespace) -> Line | None:
    """Check that packets pass in both directions: a connection to one of the hosts proves it."""
    if observed.findings is None or not observed.findings.hosts:
        return None
    probe_answers = observed.findings.hosts
    if _through(observed.findings):
        return Line("forwarding", ok=True, message=f"both ways: {answers(probe_answers)}")
    cause, fix = _why_not_forwarded(observed)
    return Line("forwarding", ok=False, message=f"{cause}: {answers(probe_answers)}", fix=fix)


def _through(findings: Findings) -> bool:
    return any(host.ok for host in findings.hosts)


def _why_not_forwarded(observed: Namespace) -> tuple[str, str]:
    """Return where packets are lost, and the fix, judged by what the host reaches and by our counters."""
    if observed.direct and not any(host.ok for host in observed.direct):
        return "the host does not reach them either, so the line is down, or they are", _LINE
    went_in, left = _counted(observed, "fwd_out"), _counted(observed, "left_host")
    if went_in and not left:
        return "another firewall on this host drops what the namespace sends", _FIREWALL
    if went_in and left:
        return "packets leave this host, but no reply comes back through it", _FIREWALL
    return "nothing comes through from inside", _FIREWALL


_LINE = "check the line, or set check.hosts to others; a test now is recorded as a failure of the line"
_FIREWALL = f"{MEND}; where that changes nothing, let the namespace through in this host's other firewall"


def _counted(observed: Namespace, counter: str) -> int:
    if observed.before is None or observed.after is None:
        return 0
    return observed.after.counters.get(counter, 0) - observed.before.counters.get(counter, 0)


def answers(probe_answers: Iterable[Answer]) -> str:
    """Return the answers as text, each with its time or error."""
    return ", ".join(map(_answer, probe_answers))


def _answer(answer: Answer) -> str:
    return f"{answer.target} in {answer.ms:.1f} ms" if answer.ok else f"{answer.target} {answer.error}"
