"""One side of the evidence, the path of the test or the host itself, and what its answers show. Pure.

What came back over the line is a proof, given in words.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from netns.probe import findings as found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.diagnosis.evidence import DiagnosisTargets
    from netns.probe.findings import Findings, InnerLink, ProbeAnswer


# Errors of a question that nobody answered, and of one that this machine did not let out.
SILENT = frozenset({"ETIMEDOUT", "EHOSTUNREACH", "EAGAIN"})

REFUSED = frozenset({"ECONNREFUSED", "ECONNRESET"})

KEPT_IN = frozenset({"EPERM", "EACCES", "ENETUNREACH", "EADDRNOTAVAIL", "ENETDOWN", "EINVAL"})

# What a handshake shows of a host that is really there, and of somebody who answers in its place.
GENUINE = frozenset({found.TLS_VALID, found.TLS_DATE, found.TLS_SMALL, found.TLS_STUCK})

IMPOSTOR = frozenset({found.TLS_FOREIGN, found.TLS_PLAIN})

# A name server that says this is not asked again, nor is the next: the name does not exist.
_FINAL = frozenset({"NXDOMAIN", "NODATA"})

# Times to live that packets start with.
_STARTS = (64, 128, 255)


@dataclass(frozen=True)
class Side:
    """What was found on one side; `hops` are the routers between it and the host's router."""

    findings: Findings
    host: Findings | None
    targets: DiagnosisTargets
    hops: int

    @cached_property
    def witnesses(self) -> tuple[ProbeAnswer, ...]:
        """The answers of hosts that were asked, without those that have never answered on this line."""
        known = self.targets.known
        return tuple(
            answer
            for answer in self.findings.hosts
            if answer.error != "ENAME"
            and (answer.target in known or not known or answer.ok)
            and not self.is_connected(answer.said)
        )

    @cached_property
    def genuine(self) -> tuple[ProbeAnswer, ...]:
        """The witnesses that answered themselves: by their certificate, or from afar on a port without TLS."""
        unsure = {None, found.TLS_UNCHECKED}
        return tuple(
            answer
            for answer in self.witnesses
            if answer.tls in GENUINE or (answer.ok and answer.tls in unsure and not self.is_near(answer))
        )

    @cached_property
    def proven(self) -> tuple[ProbeAnswer, ...]:
        """The hosts whose certificate proves who answered."""
        return tuple(answer for answer in (*self.witnesses, *self.findings.far) if answer.tls in GENUINE)

    @cached_property
    def proofs(self) -> tuple[str, ...]:
        """What came back over the line, in words."""
        return tuple(dict.fromkeys(self._proofs()))

    @cached_property
    def refused_alike(self) -> tuple[ProbeAnswer, ...]:
        """Everybody, if all strangers were refused or cut: then somebody in between did that, not each of them."""
        asked = [answer for answer in (*self.findings.hosts, *self.findings.far) if answer.sent]
        refused = [answer for answer in asked if answer.error in REFUSED or answer.tls == found.TLS_CUT]
        strangers = {answer.target for answer in refused} & {answer.target for answer in self.findings.hosts}
        return tuple(refused) if len(refused) == len(asked) and len(strangers) > 1 else ()

    @cached_property
    def proxy_page(self) -> str | None:
        """What a box nearby answers, if it gives the same page to whoever asks several strangers for one."""
        pages = {answer.said for answer in self.findings.pages if answer.ok}
        near = [answer for answer in self.findings.pages if answer.ok and self.is_near(answer)]
        return pages.pop() if len(pages) == 1 and len(near) > 1 else None

    def _proofs(self) -> Iterator[str]:
        for answer in (*self.witnesses, *self.findings.far):
            if answer.tls in GENUINE:
                yield f"{answer.target} showed its certificate"
            elif answer.ok and not self.is_near(answer) and not self.refused_alike and not self._is_proxied(answer):
                yield f"{answer.target} answered"
            elif self.is_far_refusal(answer) and not self.refused_alike:
                yield f"{answer.target} refused from afar"
        for name in (*self.findings.names, *self.findings.far_names):
            if is_reply(name.answer) and self.is_beyond(name.answer):
                yield f"name server {name.answer.target} answered"

    def _is_proxied(self, answer: ProbeAnswer) -> bool:
        return self.proxy_page is not None and answer.target.endswith(":80")

    def is_far_refusal(self, answer: ProbeAnswer) -> bool:
        """Whether a host refused that is farther away than the router."""
        return answer.error == "ECONNREFUSED" and answer.ttl is not None and count_hops(answer.ttl) > self.hops

    def is_near(self, answer: ProbeAnswer) -> bool:
        """Whether it was this host or its router who answered a connection, as far as that is known."""
        return answer.ttl is not None and count_hops(answer.ttl) <= self.hops

    def is_near_refusal(self, answer: ProbeAnswer) -> bool:
        """Whether a connection was refused by this host or its router."""
        if answer.sender is not None:
            return answer.sender in {*self.own_addresses, self.router_address, self._gateway}
        return answer.error == "ECONNREFUSED" and answer.ttl is not None and count_hops(answer.ttl) <= self.hops

    @cached_property
    def kept_in(self) -> frozenset[str]:
        """The targets to which packets do not leave this host, while those to a witness do."""
        witness = next((answer for answer in self.findings.expired if answer.target in self._strangers), None)
        if witness is None or not witness.ok or witness.sender in self._near_addresses:
            return frozenset()
        return frozenset(answer.target for answer in self.findings.expired if answer.error == "ETIMEDOUT")

    @property
    def _strangers(self) -> frozenset[str]:
        return frozenset(answer.target for answer in self.findings.hosts)

    @property
    def _near_addresses(self) -> tuple[str | None, ...]:
        """The addresses of this host, the namespace's next hop included."""
        return (*self.own_addresses, *([self._gateway] if self.hops else []))

    def is_own_refusal(self, answer: ProbeAnswer) -> bool:
        """Whether this host itself did not let a connection out, as far as that can be told here."""
        if answer.error in {"EPERM", "EACCES"}:
            return True
        if answer.sender is not None and answer.error != "ETIMEDOUT":
            return answer.sender in self._near_addresses
        here = self.hops > 0 or answer.first_hop == "ECONNREFUSED"
        return here and answer.error == "ECONNREFUSED" and answer.ttl in _STARTS

    def is_denied_here(self, answer: ProbeAnswer) -> bool:
        """Whether a route or a rule of this host denies a connection, without anything sent."""
        denied = KEPT_IN | {"EHOSTUNREACH"}
        return not self.hops and answer.error in denied and answer.sender in {None, *self.own_addresses}

    def is_beyond(self, answer: ProbeAnswer) -> bool:
        """Whether a name server that answered is farther away than the router."""
        address = ipaddress.ip_address(answer.target)
        if address.is_loopback or address.is_link_local or answer.ttl is None:
            return False
        if any(address in network for network in self.connected):
            return False
        if not self.hops and self.uplink and self.uplink.address and answer.source != self.uplink.address:
            return False
        return count_hops(answer.ttl) > self.hops

    def is_connected(self, address: str | None) -> bool:
        """Whether an address is in a network of this host, so that no line is needed to reach it."""
        return address is not None and any(ipaddress.IPv4Address(address) in network for network in self.connected)

    @cached_property
    def connected(self) -> tuple[ipaddress.IPv4Network, ...]:
        """The networks that the host reaches without a router."""
        routes = (*self.findings.routes, *(self.host.routes if self.host else ()))
        return tuple(
            ipaddress.IPv4Network(route.network) for route in routes if route.gateway is None and not route.is_default
        )

    @property
    def own_addresses(self) -> tuple[str, ...]:
        """The addresses of this host."""
        return (*self.findings.addresses, *(self.host.addresses if self.host else ()))

    @property
    def _gateway(self) -> str | None:
        return next((route.gateway for route in self.findings.routes if route.is_default), None)

    @property
    def router_address(self) -> str | None:
        """The address of the host's router: that of its default route, else the last one."""
        routes = self.host.routes if self.host else ()
        default = next((r for r in routes if r.is_default and r.link != self.targets.host_link), None)
        return default.gateway if default else self.targets.router

    @property
    def has_default_route(self) -> bool:
        """Whether the host has a way out that is not the namespace's own link."""
        routes = self.host.routes if self.host else ()
        return any(_is_way_out(route.network) and route.link != self.targets.host_link for route in routes)

    @property
    def router_answers(self) -> bool | None:
        """Whether the router answers a ping, or has told its hardware address; None: nobody asked it."""
        if self.host is None or self.router_address is None:
            return None
        if self.host.router and self.host.router.ok:
            return True
        entries = [entry for entry in self.host.neighbours if entry.address == self.router_address]
        return any(entry.resolved for entry in entries) if entries else None

    @cached_property
    def uplink(self) -> InnerLink | None:
        """The host's uplink: the link of its default route, else the one of before, else the only candidate."""
        if self.host is None:
            return None
        links = {link.name: link for link in self.host.links}
        defaults = (r.link for r in self.host.routes if _is_way_out(r.network) and r.link != self.targets.host_link)
        for name in (*defaults, self.targets.uplink):
            if name in links:
                return links[name]
        others = [link for link in links.values() if link.name not in {"lo", self.targets.host_link}]
        used = [link for link in others if link.address] or others
        return used[0] if len(used) == 1 else None

    def is_neighbour(self, server: str) -> bool:
        """Whether a name server is another private host in the network of this one, not the router."""
        address = ipaddress.ip_address(server)
        near = any(address in network for network in self.connected)
        return near and is_home_address(address) and server != self.router_address

    @property
    def name_servers(self) -> tuple[str, ...]:
        """The name servers of resolv.conf here."""
        return tuple(dict.fromkeys(answer.target for answer in self.findings.servers))

    def answers_of(self, server: str, *, far: bool = False) -> list[ProbeAnswer]:
        """Return what a name server said about the names of others, or of the provider."""
        names = self.findings.far_names if far else self.findings.names
        return [name.answer for name in names if name.answer.target == server]


def is_home_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is a private one of RFC 1918; Python also calls those of documents private."""
    return any(
        address in ipaddress.ip_network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    )


def _is_way_out(network: str) -> bool:
    """Whether a route is a default route, or half of one as VPN clients set it."""
    return network in {"0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"}


def count_hops(ttl: int) -> int:
    """Return how many routers a packet has passed, if it started with a usual time to live."""
    return next((start for start in _STARTS if start >= ttl), ttl) - ttl


def is_reply(answer: ProbeAnswer) -> bool:
    """Whether a name server replied at all: NXDOMAIN and SERVFAIL are answers."""
    return answer.ok or not (answer.error or "").startswith("E")


def resolves(side: Side) -> bool:
    """Whether a resolver library finds any name: it passes by servers that are silent or fail."""
    for server in side.name_servers:
        answers = [*side.answers_of(server), *side.answers_of(server, far=True)]
        if any(answer.ok for answer in answers):
            return True
        if answers and all(answer.error in _FINAL for answer in answers):
            return False
    return False


def count_lost(answers: Iterable[ProbeAnswer]) -> tuple[int, int, int]:
    """Return attempts sent and lost with those who answered, and how many of them lost any."""
    counted = [answer for answer in answers if answer.sent and answer.ok]
    return (
        sum(answer.sent for answer in counted),
        sum(answer.lost for answer in counted),
        sum(answer.lost > 0 for answer in counted),
    )
