"""Reads the links, IPv4 addresses, routes and policy rules of a namespace. Changes nothing."""

from __future__ import annotations

import struct
from socket import AF_INET, inet_ntoa
from typing import TYPE_CHECKING

from msgspec import Struct

from netns.kernel import netlink
from netns.state import DEFAULT_NETWORK, ROUTE_PROTOCOL, Link, PolicyRule, UnmarkedRule, Uplink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netns.kernel.netlink import NetlinkMessage

MAIN_TABLE = 254
OWN_ALIAS_PREFIX = "speedmon:"
_UP, _POINT_TO_POINT = 0x1, 0x10  # IFF_* of linux/if.h
_UNICAST = 1  # RTN_UNICAST of linux/rtnetlink.h
_IFNAME, _MTU, _PEER, _LINKINFO, _ALIAS = 3, 4, 5, 18, 20  # IFLA_* of linux/if_link.h
_KIND = 1  # IFLA_INFO_KIND
_ADDRESS, _LOCAL = 1, 2  # IFA_* of linux/if_addr.h
_DST, _OIF, _GATEWAY, _PRIORITY, _MULTIPATH, _TABLE = 1, 4, 5, 6, 9, 15  # RTA_* of linux/rtnetlink.h
_RULE_SRC, _RULE_IIF, _RULE_PRIORITY, _RULE_MARK, _RULE_TABLE = 2, 3, 6, 10, 15  # FRA_* of linux/fib_rules.h
_RULE_MASK, _RULE_PROTOCOL = 16, 21
_HOP = struct.Struct("=HBBi")  # rtnexthop: length, flags, weight, link


class LinkAddress(Struct, frozen=True):
    """An IPv4 address of a link: `local` is the host's own; `text` is it, or the peer's, with prefix length."""

    index: int
    local: str
    text: str


class KernelRoute(Struct, frozen=True):
    """An IPv4 route, one for each next hop; `network` is like 0.0.0.0/0; local and blackhole routes are not `unicast`.

    `protocol` identifies who added it (rtnetlink(7)); `multipath`: it is one of several next hops.
    """

    network: str
    unicast: bool
    table: int
    priority: int
    index: int | None
    router: str | None
    protocol: int
    multipath: bool


class NetworkState(Struct, frozen=True):
    """The links, addresses, routes and policy rules of a namespace."""

    links: dict[str, Link]
    addresses: tuple[LinkAddress, ...]
    routes: tuple[KernelRoute, ...]
    rules: tuple[PolicyRule, ...] = ()

    def default_routes(self) -> list[KernelRoute]:
        """Return the default routes, main table first, then by metric."""
        defaults = [route for route in self.routes if route.network == DEFAULT_NETWORK]
        return sorted(defaults, key=lambda route: (route.table != MAIN_TABLE, route.priority))


def read_network(netns: str | None) -> NetworkState:
    """Return the network of a namespace (None: of the host).

    Raises:
        OSError: there is no such namespace, or the kernel refused.
    """
    addresses = tuple(map(_parse_address, netlink.dump_objects(netlink.GETADDR, netns, AF_INET)))
    return NetworkState(
        links=dict(_parse_link(message, addresses) for message in netlink.dump_objects(netlink.GETLINK, netns)),
        addresses=addresses,
        routes=tuple(
            route
            for message in netlink.dump_objects(netlink.GETROUTE, netns, AF_INET)
            for route in _parse_routes(message)
        ),
        rules=tuple(map(_parse_rule, netlink.dump_objects(netlink.GETRULE, netns, AF_INET))),
    )


def find_uplink(network: NetworkState, name: str | None, router: str | None = None) -> Uplink | None:
    """Return the uplink with this name, and this router if given; without a name, the host's own uplink."""
    return find_pinned_uplink(network, name, router) if name else find_default_uplink(network)


def find_default_uplink(network: NetworkState) -> Uplink | None:
    """Ask the kernel for the uplink: it knows rules, metrics, next hops and the half-internet routes of VPNs.

    With several next hops the namespace is pinned to the one named: else others would get some of the connections. Our
    own link is never the way out: where a route leads over it, the namespace is pinned to the best of the others.
    """
    message = netlink.find_route(netlink.INTERNET_ADDRESS)
    route = next(_parse_routes(message), None) if message else None
    if route is None:
        return None
    name = next((name for name, link in network.links.items() if link.index == route.index), None)
    if name is None:
        return None
    if is_own_link(network.links[name]):
        return _find_other_uplink(network)
    if any(hop.multipath and hop.index == route.index for hop in network.default_routes()):
        return find_pinned_uplink(network, name, route.router)
    return Uplink(name, network.links[name].mtu, route.router)


def is_own_link(link: Link) -> bool:
    """Return whether a link is the host's end of a pair of ours, by its alias."""
    return (link.alias or "").startswith(OWN_ALIAS_PREFIX)


def find_own_default_routes(network: NetworkState) -> list[KernelRoute]:
    """Return the default routes of others over links of ours."""
    ours = {link.index for link in network.links.values() if is_own_link(link)}
    return [r for r in network.default_routes() if r.index in ours and r.protocol != ROUTE_PROTOCOL]


def _find_other_uplink(network: NetworkState) -> Uplink | None:
    names = {link.index: name for name, link in network.links.items() if not is_own_link(link)}
    route = next((r for r in network.default_routes() if r.unicast and r.index in names), None)
    return find_pinned_uplink(network, names[route.index or 0], route.router) if route else None


def find_pinned_uplink(network: NetworkState, name: str, router: str | None = None) -> Uplink | None:
    """Return the uplink with this name, and the content of a routing table for it alone.

    The router is the one given, else that of the best default route over the link in any table; a point-to-point link
    needs none.
    """
    link = network.links.get(name)
    if link is None:
        return None
    defaults = [r for r in network.default_routes() if r.index == link.index and r.protocol != ROUTE_PROTOCOL]
    router = router or next((route.router for route in defaults), None)
    connected = dict.fromkeys(route.network for route in network.routes if _is_on_link(route, link.index))
    default = [(DEFAULT_NETWORK, router)] if router or defaults or link.point_to_point else []
    return Uplink(name, link.mtu, router, (*((destination, None) for destination in connected), *default))


def _is_on_link(route: KernelRoute, index: int) -> bool:
    """Return whether a route leads to a network that is directly connected to a link."""
    direct = route.unicast and route.router is None and route.network != DEFAULT_NETWORK
    return direct and route.table == MAIN_TABLE and route.index == index


def _parse_link(message: NetlinkMessage, addresses: tuple[LinkAddress, ...]) -> tuple[str, Link]:
    index, flags = message.fixed[2:4]
    attributes = message.attributes
    kind = netlink.parse_attributes(attributes.get(_LINKINFO, b"")).get(_KIND)
    return _decode_text(attributes[_IFNAME]), Link(
        index=index,
        kind=_decode_text(kind) if kind else None,
        up=bool(flags & _UP),
        point_to_point=bool(flags & _POINT_TO_POINT),
        mtu=_decode_number(attributes[_MTU]),
        peer_index=_decode_number(attributes[_PEER]) if _PEER in attributes else None,
        alias=_decode_text(attributes[_ALIAS]) if _ALIAS in attributes else None,
        addresses=frozenset(address.text for address in addresses if address.index == index),
    )


def _parse_address(message: NetlinkMessage) -> LinkAddress:
    length, index = message.fixed[1], message.fixed[4]
    address = inet_ntoa(message.attributes[_ADDRESS])
    local = message.attributes.get(_LOCAL)
    return LinkAddress(index, inet_ntoa(local) if local else address, f"{address}/{length}")


def _parse_routes(message: NetlinkMessage) -> Iterator[KernelRoute]:
    length, table, protocol, kind = message.fixed[1], message.fixed[4], message.fixed[5], message.fixed[7]
    attributes = message.attributes
    for hop in _next_hops(attributes):
        yield KernelRoute(
            network=f"{inet_ntoa(attributes.get(_DST, bytes(4)))}/{length}",
            unicast=kind == _UNICAST,
            table=_decode_number(attributes[_TABLE]) if _TABLE in attributes else table,
            priority=_decode_number(attributes[_PRIORITY]) if _PRIORITY in attributes else 0,
            index=_decode_number(hop[_OIF]) if _OIF in hop else None,
            router=inet_ntoa(hop[_GATEWAY]) if _GATEWAY in hop else None,
            protocol=protocol,
            multipath=_MULTIPATH in attributes,
        )


def _next_hops(attributes: dict[int, bytes]) -> Iterator[dict[int, bytes]]:
    """Yield the attributes of each next hop; of a route with only one, its own attributes."""
    text = attributes.get(_MULTIPATH)
    if text is None:
        yield attributes
        return
    while len(text) >= _HOP.size:
        length, _, _, index = _HOP.unpack_from(text)
        yield {**netlink.parse_attributes(text[_HOP.size : length]), _OIF: struct.pack("=i", index)}
        text = text[netlink.align_length(length) :]


def _parse_rule(message: NetlinkMessage) -> PolicyRule:
    length, table = message.fixed[2], message.fixed[4]
    attributes = message.attributes
    rule = PolicyRule(
        priority=_decode_number(attributes[_RULE_PRIORITY]) if _RULE_PRIORITY in attributes else 0,
        table=_decode_number(attributes[_RULE_TABLE]) if _RULE_TABLE in attributes else table,
        link=_decode_text(attributes[_RULE_IIF]) if _RULE_IIF in attributes else None,
        source=f"{inet_ntoa(attributes[_RULE_SRC])}/{length}" if _RULE_SRC in attributes else None,
        protocol=attributes[_RULE_PROTOCOL][0] if _RULE_PROTOCOL in attributes else 0,
    )
    mask = _decode_number(attributes.get(_RULE_MASK, bytes(4)))
    if not mask or any(attributes.get(_RULE_MARK, b"")):
        return rule
    return UnmarkedRule(rule.priority, rule.table, rule.link, rule.source, rule.protocol, mask)


def _decode_text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _decode_number(value: bytes) -> int:
    number: int = struct.unpack("=I", value)[0]
    return number
