"""Changes links, addresses and routes: pyroute2's messages over a socket of ours. The only importer of pyroute2.

Its message classes take 15 ms to import; with its sockets, which need asyncio, and the rest of its package it is five
times as much. Nothing that runs before each test may import this module.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from socket import AF_INET, AF_INET6, if_nametoindex
from typing import TYPE_CHECKING, Any, Self, TypeVar

from netns.kernel import netlink
from netns.kernel.handle import open_handle
from netns.kernel.namespaces import enter_namespace
from netns.state import ROUTE_PROTOCOL, UnmarkedRule

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from netns.state import PolicyRule, TableRoute

Imported = TypeVar("Imported")

# From linux/netlink.h and linux/rtnetlink.h.
_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE, _DELROUTE, _NEWRULE, _DELRULE = 16, 17, 20, 24, 25, 32, 33
_EXCL, _CREATE, _REPLACE = 0x200, 0x400, 0x100
_UP = 1  # IFF_UP of linux/if.h
_NODAD = 0x02  # IFA_F_NODAD of linux/if_addr.h
_MAIN_TABLE, _STATIC, _UNICAST = 254, 4, 1  # RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST
_OTHER_TABLE, _UNREACHABLE, _SCOPE_LINK, _ONLINK = 252, 7, 253, 4  # RT_TABLE_COMPAT, RTN_…, RT_SCOPE_LINK, RTNH_F_…
_MAX_METRIC = 4_294_967_295
_TO_TABLE = 1  # FR_ACT_TO_TBL of linux/fib_rules.h


def import_without_package(import_parts: Callable[[], Imported]) -> Imported:
    """Call `import_parts`, which imports modules of pyroute2, without running pyroute2's own `__init__`.

    If they cannot be imported without it, it runs after all. Afterwards the package is not in `sys.modules`: the next
    import gets all of it.
    """
    spec = importlib.util.find_spec("pyroute2")
    if spec is None or "pyroute2" in sys.modules:
        return import_parts()
    before = {*sys.modules}
    sys.modules["pyroute2"] = importlib.util.module_from_spec(spec)
    try:
        return import_parts()
    except (ImportError, AttributeError):  # a release of pyroute2 whose modules need the package
        for name in {name for name in sys.modules if name.startswith("pyroute2.")} - before:
            del sys.modules[name]
    finally:
        del sys.modules["pyroute2"]
    return import_parts()


def _import_messages() -> tuple[Any, ...]:
    from pyroute2.netlink import exceptions  # noqa: PLC0415  called by `import_without_package`
    from pyroute2.netlink.rtnl import (  # noqa: PLC0415  called by `import_without_package`
        fibmsg,
        ifaddrmsg,
        ifinfmsg,
        rtmsg,
    )

    return exceptions.NetlinkError, ifinfmsg.ifinfmsg, ifaddrmsg.ifaddrmsg, rtmsg.rtmsg, fibmsg.fibmsg


def _import_socket() -> Any:
    from pyroute2.iproute.linux import IPRoute  # noqa: PLC0415  called by `import_without_package`

    return IPRoute


NetlinkError, _Link, _Address, _Route, _Rule = import_without_package(_import_messages)


class Kernel:
    """Netlink sockets, one per namespace, opened when first needed and closed together.

    `netns` is the name of a namespace, None for the host. Each method raises OSError if the kernel refuses.
    """

    def __init__(self) -> None:
        self._raw_sockets: dict[str | None, socket.socket] = {}
        self._sockets: dict[str | None, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in {*self._raw_sockets, *self._sockets}:
            self.forget(name)

    def forget(self, netns: str | None) -> None:
        """Close the sockets of a namespace, for instance before it is removed."""
        for opened in (self._raw_sockets, self._sockets):
            if netns in opened:
                opened.pop(netns).close()

    def socket(self, netns: str | None) -> Any:
        """Return pyroute2's own socket, an IPRoute, for rare requests: slow to import; raises NetlinkError."""
        if netns not in self._sockets:
            with enter_namespace(netns):
                self._sockets[netns] = import_without_package(_import_socket)()
        return self._sockets[netns]

    def add_veth(self, netns: str | None, link: str, peer: str, peer_netns: str, mtu: int) -> None:
        """Create a veth pair in one message; `peer` is created in `peer_netns`."""
        descriptor = open_handle(peer_netns)
        try:
            peer_attributes = [("IFLA_IFNAME", peer), ("IFLA_MTU", mtu), ("IFLA_NET_NS_FD", descriptor)]
            data = _nest_attributes(("VETH_INFO_PEER", _nest_attributes(*peer_attributes)))
            info = _nest_attributes(("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data))
            attributes = [("IFLA_IFNAME", link), ("IFLA_MTU", mtu), ("IFLA_LINKINFO", info)]
            self._ask(netns, _NEWLINK, _CREATE | _EXCL, _Link(), attributes)
        finally:
            os.close(descriptor)

    def set_link(self, netns: str | None, link: str, *attributes: tuple[str, Any]) -> None:
        """Change attributes of a link, such as ("IFLA_MTU", 1500)."""
        message = _Link()
        message["index"] = self.index(link, netns)
        self._ask(netns, _NEWLINK, 0, message, list(attributes))

    def set_up(self, netns: str | None, link: str) -> None:
        """Bring a link up."""
        message = _Link()
        message["index"], message["flags"], message["change"] = self.index(link, netns), _UP, _UP
        self._ask(netns, _NEWLINK, 0, message, [])

    def delete_link(self, netns: str | None, link: str) -> None:
        """Remove a link; the other end of a veth pair is removed with it."""
        message = _Link()
        message["index"] = self.index(link, netns)
        self._ask(netns, _DELLINK, 0, message, [])

    def put_address(self, netns: str | None, link: str, address: str, length: int) -> None:
        """Add an address to a link unless it is there; duplicate detection is skipped for IPv6."""
        message = _Address()
        message["index"], message["prefixlen"], message["family"] = (
            self.index(link, netns),
            length,
            _address_family(address),
        )
        message["flags"] = _NODAD if _address_family(address) == AF_INET6 else 0
        attributes = [("IFA_LOCAL", address), ("IFA_ADDRESS", address)]
        self._ask(netns, _NEWADDR, _CREATE | _REPLACE, message, attributes)

    def put_route(self, netns: str | None, destination: str, gateway: str, link: str) -> None:
        """Add a route, or replace the one to that destination, which is a network or "default"."""
        network, _, length = destination.partition("/")
        message = _Route()
        message["family"], message["dst_len"] = _address_family(gateway), int(length or 0)
        message["table"], message["proto"], message["type"] = _MAIN_TABLE, _STATIC, _UNICAST
        attributes = [("RTA_GATEWAY", gateway), ("RTA_OIF", self.index(link, netns))]
        attributes += [("RTA_DST", network)] if length else []
        self._ask(netns, _NEWROUTE, _CREATE | _REPLACE, message, attributes)

    def change_table_route(self, route: TableRoute, *, add: bool) -> None:
        """Add or remove a route of ours in a table of the host; without a link it is the unreachable one."""
        network, _, length = route.network.partition("/")
        message = _Route()
        message["family"], message["dst_len"], message["table"] = AF_INET, int(length), _OTHER_TABLE
        message["proto"], message["type"] = ROUTE_PROTOCOL, _UNICAST if route.link else _UNREACHABLE
        attributes: list[tuple[str, Any]] = [("RTA_TABLE", route.table)]
        attributes += [("RTA_DST", network)] if int(length) else []
        if route.link is None:
            attributes.append(("RTA_PRIORITY", _MAX_METRIC))
        else:
            attributes.append(("RTA_OIF", self.index(route.link, None)))
            message["scope"] = 0 if route.router else _SCOPE_LINK
            message["flags"] = _ONLINK if route.router else 0
            attributes += [("RTA_GATEWAY", route.router)] if route.router else []
        self._ask(None, *((_NEWROUTE, _CREATE | _EXCL) if add else (_DELROUTE, 0)), message, attributes)

    def change_rule(self, rule: PolicyRule, *, add: bool) -> None:
        """Add or remove a policy rule of ours on the host."""
        source, _, length = (rule.source or "/0").partition("/")
        message = _Rule()
        message["family"], message["src_len"], message["action"] = AF_INET, int(length), _TO_TABLE
        message["table"] = _OTHER_TABLE
        attributes: list[tuple[str, Any]] = [("FRA_PRIORITY", rule.priority), ("FRA_TABLE", rule.table)]
        attributes += [("FRA_PROTOCOL", rule.protocol), ("FRA_IIFNAME", rule.link)]
        attributes += [("FRA_SRC", source)] if source else []
        attributes += [("FRA_FWMARK", 0), ("FRA_FWMASK", rule.mask)] if isinstance(rule, UnmarkedRule) else []
        self._ask(None, *((_NEWRULE, _CREATE | _EXCL) if add else (_DELRULE, 0)), message, attributes)

    def index(self, link: str, netns: str | None) -> int:
        """Return the index of a link.

        Raises:
            OSError: there is no such link.
        """
        try:
            with enter_namespace(netns):
                return if_nametoindex(link)
        except OSError:
            raise OSError(f"no interface {link}" + (f" in {netns}" if netns else "")) from None

    def _ask(self, netns: str | None, kind: int, flags: int, message: Any, attributes: list[tuple[str, Any]]) -> None:
        if netns not in self._raw_sockets:
            self._raw_sockets[netns] = netlink.open_socket(netns)
        message["header"]["type"] = kind
        message["header"]["flags"] = netlink.REQUEST | netlink.ACKNOWLEDGE | flags
        message["attrs"] = attributes
        message.encode()
        netlink.send_change(self._raw_sockets[netns], bytes(message.data))


def _nest_attributes(*attributes: tuple[str, Any]) -> dict[str, list[tuple[str, Any]]]:
    return {"attrs": list(attributes)}


def _address_family(address: str) -> int:
    return AF_INET6 if ":" in address else AF_INET
