"""The links, IPv4 addresses and IPv4 routes of a namespace, read at once. Changes nothing."""

from __future__ import annotations

import struct
from socket import AF_INET, inet_ntoa
from typing import TYPE_CHECKING

from msgspec import Struct

from netns import netlink
from netns.model import Link, Uplink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netns.netlink import Message

MAIN_TABLE = 254
_UP = 1  # IFF_UP of linux/if.h
_UNICAST = 1  # RTN_UNICAST of linux/rtnetlink.h
_IFNAME, _MTU, _PEER, _LINKINFO, _ALIAS = 3, 4, 5, 18, 20  # IFLA_* of linux/if_link.h
_KIND = 1  # IFLA_INFO_KIND
_ADDRESS, _LOCAL = 1, 2  # IFA_* of linux/if_addr.h
_DST, _OIF, _GATEWAY, _PRIORITY, _MULTIPATH, _TABLE = 1, 4, 5, 6, 9, 15  # RTA_* of linux/rtnetlink.h
_HOP = struct.Struct("=HBBi")  # rtnexthop: length, flags, weight, link
# An address of the internet that nobody routes specially (a.root-servers.net); nothing is sent there.
SOMEWHERE = "198.41.0.4"


class Address(Struct, frozen=True):
    """An IPv4 address of a link: `local` is the host's own, `text` the subnet's or the peer's, with prefix length."""

    index: int
    local: str
    text: str


class Route(Struct, frozen=True):
    """An IPv4 route, one for each next hop; `network` is as 0.0.0.0/0; a local or a blackhole one is not `unicast`."""

    network: str
    unicast: bool
    table: int
    priority: int
    index: int | None
    router: str | None


class Network(Struct, frozen=True):
    """What a namespace has."""

    links: dict[str, Link]
    addresses: tuple[Address, ...]
    routes: tuple[Route, ...]

    def default_routes(self) -> list[Route]:
        """Return the default routes, those of the main table first and by metric."""
        found = [route for route in self.routes if route.network == "0.0.0.0/0"]
        return sorted(found, key=lambda route: (route.table != MAIN_TABLE, route.priority))


def read(netns: str | None) -> Network:
    """Return what a namespace (None: the host) has.

    Raises:
        OSError: there is no such namespace, or the kernel refused.
    """
    addresses = tuple(map(_address, netlink.dump(netlink.GETADDR, netns, AF_INET)))
    return Network(
        links=dict(_link(message, addresses) for message in netlink.dump(netlink.GETLINK, netns)),
        addresses=addresses,
        routes=tuple(route for message in netlink.dump(netlink.GETROUTE, netns, AF_INET) for route in _routes(message)),
    )


def way_out(network: Network) -> Uplink | None:
    """Ask the kernel, which knows rules, metrics, several next hops and the halves of the internet that VPNs route."""
    message = netlink.way_to(SOMEWHERE)
    route = next(_routes(message), None) if message else None
    if route is None:
        return None
    found = ((name, link) for name, link in network.links.items() if link.index == route.index)
    return next((Uplink(name, link.mtu, route.router) for name, link in found), None)


def pinned(network: Network, name: str) -> Uplink | None:
    """Return the uplink of that name, with the router that a default route of any table has on it."""
    link = network.links.get(name)
    if link is None:
        return None
    routers = (route.router for route in network.default_routes() if route.index == link.index)
    return Uplink(name, link.mtu, next(routers, None))


def _link(message: Message, addresses: tuple[Address, ...]) -> tuple[str, Link]:
    index, flags = message.fixed[2:4]
    told = message.attributes
    kind = netlink.attributes(told.get(_LINKINFO, b"")).get(_KIND)
    return _text(told[_IFNAME]), Link(
        index=index,
        kind=_text(kind) if kind else None,
        up=bool(flags & _UP),
        mtu=_number(told[_MTU]),
        peer_index=_number(told[_PEER]) if _PEER in told else None,
        alias=_text(told[_ALIAS]) if _ALIAS in told else None,
        addresses=frozenset(address.text for address in addresses if address.index == index),
    )


def _address(message: Message) -> Address:
    length, index = message.fixed[1], message.fixed[4]
    address = inet_ntoa(message.attributes[_ADDRESS])
    local = message.attributes.get(_LOCAL)
    return Address(index, inet_ntoa(local) if local else address, f"{address}/{length}")


def _routes(message: Message) -> Iterator[Route]:
    length, table, kind = message.fixed[1], message.fixed[4], message.fixed[7]
    told = message.attributes
    for hop in _hops(told):
        yield Route(
            network=f"{inet_ntoa(told.get(_DST, bytes(4)))}/{length}",
            unicast=kind == _UNICAST,
            table=_number(told[_TABLE]) if _TABLE in told else table,
            priority=_number(told[_PRIORITY]) if _PRIORITY in told else 0,
            index=_number(hop[_OIF]) if _OIF in hop else None,
            router=inet_ntoa(hop[_GATEWAY]) if _GATEWAY in hop else None,
        )


def _hops(told: dict[int, bytes]) -> Iterator[dict[int, bytes]]:
    """Yield the attributes of each next hop; where there is one, they are the route's own."""
    text = told.get(_MULTIPATH)
    if text is None:
        yield told
        return
    while len(text) >= _HOP.size:
        length, _, _, index = _HOP.unpack_from(text)
        yield {**netlink.attributes(text[_HOP.size : length]), _OIF: struct.pack("=i", index)}
        text = text[netlink.aligned(length) :]


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _number(value: bytes) -> int:
    number: int = struct.unpack("=I", value)[0]
    return number
