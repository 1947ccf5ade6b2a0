"""The lab as data: a home host on a fibre line, a slow IPv6 tunnel as bait, and a speedtest.net, each in a namespace.

    home ── wan0 203.0.113.10 ────── isp ───── internet 198.51.100.80    (100/20 Mbit/s)
         └─ he-ipv6 2001:db8:1::10 ─ broker ── internet 2001:db8:ff::80  (12/3 Mbit/s)

The home host is the namespace the steps are run from. Pure: `netns.lab.run` builds it. All addresses and names are
reserved for documentation (RFC 5737, RFC 3849, RFC 2606), except the names that speedtest-cli has built in.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netns.plan.steps import (
    AddAddress,
    AddRoute,
    CreateNamespace,
    CreateVeth,
    DeleteLink,
    SetLinkUp,
    SetSysctl,
    ShapeLink,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netns.plan.steps import Step

ISP, BROKER, INTERNET = "isp", "broker", "internet"
HOME_IPV4, HOME_IPV6 = "203.0.113.10", "2001:db8:1::10"
SERVER_IPV4, SERVER_IPV6 = "198.51.100.80", "2001:db8:ff::80"

# In the ISP's own network, so that DNS queries do not cross the shaped uplink.
NAME_SERVER = "203.0.113.53"


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One line of the home: its ISP, the network of its addresses, and the rates it is shaped to, in bit/s."""

    isp: str
    network: str
    download_bps: int
    upload_bps: int


FIBRE = AccessLine("Example Fibre", "203.0.113.0/24", 100_000_000, 20_000_000)

TUNNEL = AccessLine("Tunnel Broker (IPv6)", "2001:db8::/32", 12_000_000, 3_000_000)


@dataclass(frozen=True, slots=True)
class ListedServer:
    """An entry of the lab's server list; it answers pings `delay_ms` later than the nearest server."""

    id: str
    sponsor: str
    city: str
    host: str
    lat: float
    lon: float
    delay_ms: int


LISTED_SERVERS = (
    ListedServer("101", "Near Hosting", "Exampleton", "near.speedtest.example", 48.0, 11.0, 0),
    ListedServer("102", "Far Hosting", "Otherham", "far.speedtest.example", 52.0, 13.0, 30),
)

# speedtest-cli looks up the first two, whichever server it then chooses.
SERVED_NAMES = ("www.speedtest.net", "c.speedtest.net", *(server.host for server in LISTED_SERVERS))

# Files in /etc of the home host instead of the machine's; an empty gai.conf means the order of RFC 6724.
ETC_FILES = {
    "resolv.conf": f"nameserver {NAME_SERVER}\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "gai.conf": "",
}


def find_access(address: str) -> AccessLine | None:
    """Return the line that a client's address belongs to, None for other addresses."""
    client = ipaddress.ip_address(address)
    return next((access for access in (FIBRE, TUNNEL) if client in ipaddress.ip_network(access.network)), None)


def lab_steps() -> tuple[Step, ...]:
    """Return the steps that build the lab, in order, for a home host that has only a loopback link."""
    return (*_namespace_steps(), *_fibre_steps(), *_tunnel_steps())


def cut_line_step() -> Step:
    """Return the step that breaks the line: the ISP loses its route to the internet and reports it by ICMP."""
    return DeleteLink("net0", ISP)


def _namespace_steps() -> Iterator[Step]:
    yield SetLinkUp("lo")
    yield from _ipv6_steps(None)
    for name in (ISP, BROKER, INTERNET):
        yield CreateNamespace(name)
        yield from _ipv6_steps(name)
        yield SetLinkUp("lo", name)
    yield SetSysctl("net/ipv4/ip_forward", "0")
    yield SetSysctl("net/ipv4/ip_forward", "1", ISP)
    yield SetSysctl("net/ipv6/conf/all/forwarding", "1", BROKER)


def _ipv6_steps(netns: str | None) -> Iterator[Step]:
    """Enable IPv6, whatever the machine's default is, and make addresses usable without waiting."""
    for key, value in (("disable_ipv6", "0"), ("accept_dad", "0")):
        for scope in ("all", "default"):
            yield SetSysctl(f"net/ipv6/conf/{scope}/{key}", value, netns)


def _fibre_steps() -> Iterator[Step]:
    yield from _veth_steps((None, "wan0", f"{HOME_IPV4}/24"), (ISP, "home0", "203.0.113.1/24"))
    yield AddAddress("home0", f"{NAME_SERVER}/24", ISP)
    yield from _veth_steps((ISP, "net0", "198.51.100.1/24"), (INTERNET, "isp0", f"{SERVER_IPV4}/24"))
    yield AddRoute("default", "203.0.113.1", "wan0")
    yield AddRoute("default", "198.51.100.1", "isp0", INTERNET)
    yield from _shaping_steps(ISP, FIBRE, queue_ms=150)


def _tunnel_steps() -> Iterator[Step]:
    yield from _veth_steps((None, "he-ipv6", f"{HOME_IPV6}/64"), (BROKER, "home0", "2001:db8:1::1/64"))
    yield from _veth_steps((BROKER, "net0", "2001:db8:ff::1/64"), (INTERNET, "broker0", f"{SERVER_IPV6}/64"))
    yield AddRoute("default", "2001:db8:1::1", "he-ipv6")
    yield AddRoute("default", "2001:db8:ff::1", "broker0", INTERNET)
    yield from _shaping_steps(BROKER, TUNNEL, queue_ms=800)


def _veth_steps(near: tuple[str | None, str, str], far: tuple[str, str, str]) -> Iterator[Step]:
    """Join two namespaces by a veth pair; an end is its namespace, link and address."""
    yield CreateVeth(near[1], far[1], far[0], netns=near[0])
    for netns, link, address in (near, far):
        yield AddAddress(link, address, netns)
        yield SetLinkUp(link, netns)


def _shaping_steps(router: str, access: AccessLine, queue_ms: int) -> Iterator[Step]:
    """Shape both directions in the provider's router, on its outgoing links. The rates include Ethernet headers."""
    yield ShapeLink("home0", access.download_bps, 32_768, queue_ms, router)
    yield ShapeLink("net0", access.upload_bps, 32_768, queue_ms, router)
