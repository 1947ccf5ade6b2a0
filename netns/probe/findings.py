"""What a probe finds inside the namespace, as frozen data that is passed on as JSON, and pure parsers of /proc/net."""

from __future__ import annotations

import ipaddress
import re
import sys
from dataclasses import dataclass

import msgspec

# RTF_UP and RTF_REJECT of linux/route.h.
_UP, _REJECT = 0x1, 0x200

# A local address in fib_trie: the address, and "/32 host LOCAL" in the next line.
_LOCAL = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)\n +/32 host LOCAL")


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """The result of one step: its target, the error's symbol (ETIMEDOUT, NXDOMAIN, …) or None, and the time in ms.

    `said` is the answer, such as the address of a name.
    """

    target: str
    error: str | None = None
    ms: float = 0.0
    said: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it worked."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class InnerLink:
    """A network link where the look was taken: in the namespace, or on the host for `uplink`."""

    name: str
    up: bool
    mtu: int


@dataclass(frozen=True, slots=True)
class Findings:
    """The network as seen from inside, and the answers of everything that was asked.

    `ipv6_open` names the links, including `all` and `default`, on which IPv6 is not disabled; `ipv6` is the attempt
    to connect over IPv6, which must fail. `gateway` is None if there is no default route; `servers` are the name
    servers of resolv.conf; `hosts` are the hosts of the configuration, `far` those of the engine's provider. The host
    adds `direct`, the same hosts asked from there, and `uplink`, the link of its default route (`up`: it has a
    carrier; None: there is no such route, or it was not looked up).
    """

    links: tuple[InnerLink, ...] = ()
    addresses: tuple[str, ...] = ()
    routes: tuple[ProcRoute, ...] = ()
    ipv6_addresses: tuple[str, ...] = ()
    ipv6_routes: tuple[str, ...] = ()
    ipv6_open: tuple[str, ...] = ()
    ipv6: ProbeAnswer = ProbeAnswer("")
    gateway: ProbeAnswer | None = None
    servers: tuple[ProbeAnswer, ...] = ()
    hosts: tuple[ProbeAnswer, ...] = ()
    far: tuple[ProbeAnswer, ...] = ()
    direct: tuple[ProbeAnswer, ...] = ()
    uplink: InnerLink | None = None


def to_json(findings: Findings) -> bytes:
    """Return the findings as one JSON object."""
    return msgspec.json.encode(findings)


def from_json(text: bytes) -> Findings | None:
    """Return the findings of a JSON text, None for any other text."""
    try:
        return msgspec.json.decode(text, type=Findings)
    except (msgspec.DecodeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class ProcRoute:
    """An IPv4 route of the main table; `gateway` is None for a network on the link itself."""

    network: str
    gateway: str | None
    link: str
    metric: int = 0

    @property
    def is_default(self) -> bool:
        """Whether it is a default route."""
        return self.network == "0.0.0.0/0"


def parse_routes(text: str) -> list[ProcRoute]:
    """Return the usable routes of /proc/net/route, lowest metric first."""
    rows = (line.split() for line in text.splitlines()[1:])
    entries = [_parse_route(row) for row in rows if int(row[3], 16) & (_UP | _REJECT) == _UP]
    return sorted(entries, key=lambda route: route.metric)


def _parse_route(row: list[str]) -> ProcRoute:
    link, destination, gateway, metric, mask = row[0], row[1], row[2], row[6], row[7]
    network = ipaddress.IPv4Network(f"{_to_ipv4(destination)}/{_to_ipv4(mask)}", strict=False)
    return ProcRoute(str(network), None if gateway == "00000000" else _to_ipv4(gateway), link, int(metric))


def _to_ipv4(word: str) -> str:
    """Return the address of a hexadecimal word that the kernel printed in its own byte order."""
    return str(ipaddress.IPv4Address(int(word, 16).to_bytes(4, sys.byteorder)))


def parse_addresses(text: str) -> list[str]:
    """Return the IPv4 addresses that /proc/net/fib_trie lists as local, except loopback, in order."""
    entries = {ipaddress.IPv4Address(word) for word in _LOCAL.findall(text)}
    return [str(address) for address in sorted(entries) if not address.is_loopback]


def parse_ipv6_addresses(text: str) -> list[str]:
    """Return the addresses of /proc/net/if_inet6, each with its link, loopback included."""
    rows = (line.split() for line in text.splitlines())
    return [f"{_to_ipv6(row[0])}%{row[5]}" for row in rows]


def parse_ipv6_routes(text: str) -> list[str]:
    """Return the routes of /proc/net/ipv6_route, except over lo, where the kernel always has an unreachable route."""
    rows = (line.split() for line in text.splitlines())
    return [f"{_to_ipv6(row[0])}/{int(row[1], 16)} dev {row[9]}" for row in rows if row[9] != "lo"]


def _to_ipv6(word: str) -> str:
    return str(ipaddress.IPv6Address(bytes.fromhex(word)))
