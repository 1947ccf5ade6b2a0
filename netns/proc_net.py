"""Pure parsers of /proc/net (proc(5)): IPv4 and IPv6 addresses and routes."""

from __future__ import annotations

import ipaddress
import re
import sys
from dataclasses import dataclass

# RTF_UP and RTF_REJECT of linux/route.h.
_UP, _REJECT = 0x1, 0x200
# A local address in fib_trie: the address, and "/32 host LOCAL" in the next line.
_LOCAL = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)\n +/32 host LOCAL")


@dataclass(frozen=True, slots=True)
class Route:
    """An IPv4 route of the main table; `gateway` is None for a network on the link itself."""

    network: str
    gateway: str | None
    link: str
    metric: int = 0

    @property
    def is_default(self) -> bool:
        """Whether it is a default route."""
        return self.network == "0.0.0.0/0"


def routes(text: str) -> list[Route]:
    """Return the usable routes of /proc/net/route, lowest metric first."""
    rows = (line.split() for line in text.splitlines()[1:])
    entries = [_route(row) for row in rows if int(row[3], 16) & (_UP | _REJECT) == _UP]
    return sorted(entries, key=lambda route: route.metric)


def _route(row: list[str]) -> Route:
    link, destination, gateway, metric, mask = row[0], row[1], row[2], row[6], row[7]
    network = ipaddress.IPv4Network(f"{_ipv4(destination)}/{_ipv4(mask)}", strict=False)
    return Route(str(network), None if gateway == "00000000" else _ipv4(gateway), link, int(metric))


def _ipv4(word: str) -> str:
    """Return the address of a hexadecimal word that the kernel printed in its own byte order."""
    return str(ipaddress.IPv4Address(int(word, 16).to_bytes(4, sys.byteorder)))


def addresses(text: str) -> list[str]:
    """Return the IPv4 addresses that /proc/net/fib_trie lists as local, except loopback, in order."""
    entries = {ipaddress.IPv4Address(word) for word in _LOCAL.findall(text)}
    return [str(address) for address in sorted(entries) if not address.is_loopback]


def ipv6_addresses(text: str) -> list[str]:
    """Return the addresses of /proc/net/if_inet6, each with its link, loopback included."""
    rows = (line.split() for line in text.splitlines())
    return [f"{_ipv6(row[0])}%{row[5]}" for row in rows]


def ipv6_routes(text: str) -> list[str]:
    """Return the routes of /proc/net/ipv6_route, except over lo, where the kernel always has an unreachable route."""
    rows = (line.split() for line in text.splitlines())
    return [f"{_ipv6(row[0])}/{int(row[1], 16)} dev {row[9]}" for row in rows if row[9] != "lo"]


def _ipv6(word: str) -> str:
    return str(ipaddress.IPv6Address(bytes.fromhex(word)))
