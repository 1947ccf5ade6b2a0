"""Judge what the probe found inside the namespace. Pure; a check returns None when there was no probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.check.line import Line, judged
from netns.enter import MEND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.check.seen import Namespace
    from netns.findings import Answer, Findings


def links(seen: Namespace) -> Line | None:
    """Judge loopback and the inner link: there, up, and as large as the host's end."""
    if seen.findings is None:
        return None
    found = {link.name: link for link in seen.findings.links}
    wanted = ("lo", seen.spec.inner_link)
    problems = [f"{name} is missing" for name in wanted if name not in found]
    problems += [f"{name} is down" for name in wanted if name in found and not found[name].up]
    inner, mtu = found.get(seen.spec.inner_link), seen.outside.mtus.get(seen.spec.host_link)
    if inner and mtu and inner.mtu != mtu:
        problems.append(f"MTU {inner.mtu} of {inner.name} is not the {mtu} of its other end")
    return judged("inner-link", problems, f"{seen.spec.inner_link} and lo are up", MEND)


def addresses(seen: Namespace) -> Line | None:
    """Judge the IPv4 addresses: one, and the one that the configuration gives."""
    if seen.findings is None:
        return None
    wanted, found = str(seen.spec.subnet[2]), seen.findings.addresses
    has = f"inside has {', '.join(found) or 'no IPv4 address'}"
    problems = [] if found == (wanted,) else [f"{has}, where the configuration (namespace.subnet) wants {wanted}"]
    return judged("addresses", problems, has, MEND)


def route(seen: Namespace) -> Line | None:
    """Judge the default route: one, over the inner link to the host."""
    if seen.findings is None:
        return None
    ways = [(way.gateway, way.link) for way in seen.findings.routes if way.is_default]
    said = ", ".join(f"{gateway or 'nobody'} dev {link}" for gateway, link in ways)
    wanted = (str(seen.spec.subnet[1]), seen.spec.inner_link)
    problems = [] if ways == [wanted] else [f"default via {said}" if ways else "no default route"]
    return judged("route", problems, f"default via {said}", MEND)


def ipv6(seen: Namespace) -> Line | None:
    """Judge that IPv6 is out: switched off on each link, no address, no route, and an attempt refused at once."""
    if seen.findings is None:
        return None
    found = seen.findings
    problems = [f"IPv6 is switched on for {', '.join(found.ipv6_open)}"] if found.ipv6_open else []
    problems += [f"address {address}" for address in found.ipv6_addresses]
    problems += [f"route {way}" for way in found.ipv6_routes]
    problems += ["a connection over IPv6 was begun"] if found.ipv6.ok else []
    refusal = f"{found.ipv6.error} after {found.ipv6.ms:.1f} ms"
    return judged("ipv6", problems, f"no address, no route, connect fails at once ({refusal})", MEND)


def gateway(seen: Namespace) -> Line | None:
    """Judge that the host's end answers a ping; a firewall of the host may forbid that, which harms nobody."""
    if seen.findings is None or seen.findings.gateway is None:
        return None
    asked = seen.findings.gateway
    if asked.ok:
        return Line("gateway", ok=True, message=f"{_answer(asked)} answers a ping", matters=False)
    mend = f"{MEND}; where that changes nothing, a firewall of this host drops pings, which no test needs"
    return Line(
        "gateway", ok=False, message=f"no ping: {_answer(asked)}", mend=mend, matters=not _through(seen.findings)
    )


def dns(seen: Namespace) -> Line | None:
    """Judge the name servers: each was asked, and one that answers is enough for a test."""
    if seen.findings is None:
        return None
    asked = seen.findings.servers
    if not asked:
        return Line("dns", ok=False, message="no name server in /etc/resolv.conf inside", mend=_OTHER_SERVERS)
    if all(server.ok for server in asked):
        return Line("dns", ok=True, message=answers(asked))
    blocked = seen.findings.hosts and not _through(seen.findings)
    mend = "see forwarding first" if blocked else _OTHER_SERVERS
    return Line("dns", ok=False, message=answers(asked), mend=mend, matters=not any(server.ok for server in asked))


_OTHER_SERVERS = f"set namespace.dns to servers that answer, or check.name to a name that exists; {MEND}"


def forwarding(seen: Namespace) -> Line | None:
    """Judge that packets pass both ways through whatever firewall this host has: a connection proves it."""
    if seen.findings is None or not seen.findings.hosts:
        return None
    asked = seen.findings.hosts
    if _through(seen.findings):
        return Line("forwarding", ok=True, message=f"both ways: {answers(asked)}")
    cause, mend = _why_not_forwarded(seen)
    return Line("forwarding", ok=False, message=f"{cause}: {answers(asked)}", mend=mend)


def _through(found: Findings) -> bool:
    return any(host.ok for host in found.hosts)


def _why_not_forwarded(seen: Namespace) -> tuple[str, str]:
    """Return where packets are lost, and the mend, from what the host itself reaches and from our counters."""
    if seen.direct and not any(host.ok for host in seen.direct):
        return "the host reaches none of them either, so the line is down, or they are", _LINE
    went_in, left = _counted(seen, "fwd_out"), _counted(seen, "left_host")
    if went_in and not left:
        return "another firewall on this host drops what the namespace sends", _FIREWALL
    if went_in and left:
        return "packets leave this host and no reply comes through it", _FIREWALL
    return "nothing comes through from inside", _FIREWALL


_LINE = "see to the line, or set check.hosts to others; a test now is recorded as a failure of the line"
_FIREWALL = f"{MEND}; where that changes nothing, let the namespace through in this host's other firewall"


def _counted(seen: Namespace, counter: str) -> int:
    if seen.before is None or seen.after is None:
        return 0
    return seen.after.counters.get(counter, 0) - seen.before.counters.get(counter, 0)


def answers(asked: Iterable[Answer]) -> str:
    """Return what became of each question, in words."""
    return ", ".join(map(_answer, asked))


def _answer(asked: Answer) -> str:
    return f"{asked.target} in {asked.ms:.1f} ms" if asked.ok else f"{asked.target} {asked.error}"
