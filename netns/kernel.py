"""What changes links, addresses and routes: pyroute2's messages over a socket of ours. The only importer of pyroute2.

The classes of its messages take 15 ms to import. Its sockets bring asyncio along, and its package all the rest: five
times as much. Nothing that runs before each measurement may import this module.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Self

from netns import netlink
from netns.handle import open_handle
from netns.join import joined

if TYPE_CHECKING:
    from types import ModuleType

MESSAGES = tuple(f"pyroute2.netlink.rtnl.{name}" for name in ("ifinfmsg", "ifaddrmsg", "rtmsg"))
# From linux/netlink.h and linux/rtnetlink.h.
_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE = 16, 17, 20, 24
_EXCL, _CREATE, _REPLACE = 0x200, 0x400, 0x100
_UP = 1  # IFF_UP of linux/if.h
_NODAD = 0x02  # IFA_F_NODAD of linux/if_addr.h
_ROOT = 0x10000  # the handle 1:0, tc's usual name for the first qdisc
_MAIN_TABLE, _STATIC, _UNICAST = 254, 4, 1  # RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST


def import_parts(*names: str) -> list[ModuleType]:
    """Import modules of pyroute2 without running its own `__init__`; with it where they do not go without.

    The package is out of `sys.modules` again afterwards: whoever imports it next gets all of it.
    """
    spec = importlib.util.find_spec("pyroute2")
    if spec is None or "pyroute2" in sys.modules:
        return [importlib.import_module(name) for name in names]
    sys.modules["pyroute2"] = importlib.util.module_from_spec(spec)
    try:
        return [importlib.import_module(name) for name in names]
    except (ImportError, AttributeError):  # a release whose modules need their package
        for name in [name for name in sys.modules if name.startswith("pyroute2.")]:
            del sys.modules[name]
    finally:
        del sys.modules["pyroute2"]
    return [importlib.import_module(name) for name in names]


_link, _address, _route = import_parts(*MESSAGES)


class Kernel:
    """Netlink sockets, one a namespace, opened when first needed and closed together.

    `netns` is the name of a namespace, None for the host. Every method raises OSError where the kernel refuses.
    """

    def __init__(self) -> None:
        self._lines: dict[str | None, socket.socket] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._lines):
            self.forget(name)

    def forget(self, netns: str | None) -> None:
        """Close the socket of a namespace, such as one that is about to be removed."""
        if netns in self._lines:
            self._lines.pop(netns).close()

    def add_veth(self, netns: str | None, link: str, peer: str, peer_netns: str, mtu: int) -> None:
        """Make a pair of links in one message; `peer` is born in `peer_netns`."""
        there = open_handle(peer_netns)
        try:
            born = [("IFLA_IFNAME", peer), ("IFLA_MTU", mtu), ("IFLA_NET_NS_FD", there)]
            data = _nested(("VETH_INFO_PEER", _nested(*born)))
            info = _nested(("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data))
            attributes = [("IFLA_IFNAME", link), ("IFLA_MTU", mtu), ("IFLA_LINKINFO", info)]
            self._ask(netns, _NEWLINK, _CREATE | _EXCL, _link.ifinfmsg(), attributes)
        finally:
            os.close(there)

    def set_link(self, netns: str | None, link: str, *attributes: tuple[str, Any]) -> None:
        """Change attributes of a link, such as ("IFLA_MTU", 1500)."""
        message = _link.ifinfmsg()
        message["index"] = self.index(link, netns)
        self._ask(netns, _NEWLINK, 0, message, list(attributes))

    def set_up(self, netns: str | None, link: str) -> None:
        """Bring a link up."""
        message = _link.ifinfmsg()
        message["index"], message["flags"], message["change"] = self.index(link, netns), _UP, _UP
        self._ask(netns, _NEWLINK, 0, message, [])

    def delete_link(self, netns: str | None, link: str) -> None:
        """Remove a link; the other end of a pair goes with it."""
        message = _link.ifinfmsg()
        message["index"] = self.index(link, netns)
        self._ask(netns, _DELLINK, 0, message, [])

    def put_address(self, netns: str | None, link: str, address: str, length: int) -> None:
        """Give a link an address, or keep the one that is there; an IPv6 one skips duplicate detection."""
        message = _address.ifaddrmsg()
        message["index"], message["prefixlen"], message["family"] = self.index(link, netns), length, _family(address)
        message["flags"] = _NODAD if _family(address) == socket.AF_INET6 else 0
        attributes = [("IFA_LOCAL", address), ("IFA_ADDRESS", address)]
        self._ask(netns, _NEWADDR, _CREATE | _REPLACE, message, attributes)

    def put_route(self, netns: str | None, destination: str, gateway: str, link: str) -> None:
        """Add a route or replace the one of that destination, which is a network or "default"."""
        network, _, length = destination.partition("/")
        message = _route.rtmsg()
        message["family"], message["dst_len"] = _family(gateway), int(length or 0)
        message["table"], message["proto"], message["type"] = _MAIN_TABLE, _STATIC, _UNICAST
        attributes = [("RTA_GATEWAY", gateway), ("RTA_OIF", self.index(link, netns))]
        attributes += [("RTA_DST", network)] if length else []
        self._ask(netns, _NEWROUTE, _CREATE | _REPLACE, message, attributes)

    def shape(self, netns: str | None, link: str, rate: str, burst_bytes: int, latency: str) -> None:
        """Limit what leaves a link with a token bucket (tc-tbf). Only the lab does: here pyroute2's own socket asks."""
        linux, exceptions = import_parts("pyroute2.iproute.linux", "pyroute2.netlink.exceptions")
        with joined(netns):
            line = linux.IPRoute()
        try:
            line.tc("replace", "tbf", self.index(link, netns), _ROOT, rate=rate, burst=burst_bytes, latency=latency)
        except exceptions.NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code)) from None
        finally:
            line.close()

    def index(self, link: str, netns: str | None) -> int:
        """Return the index of a link.

        Raises:
            OSError: there is no such link.
        """
        try:
            with joined(netns):
                return socket.if_nametoindex(link)
        except OSError:
            raise OSError(f"no interface {link}" + (f" in {netns}" if netns else "")) from None

    def _ask(self, netns: str | None, kind: int, flags: int, message: Any, attributes: list[tuple[str, Any]]) -> None:
        if netns not in self._lines:
            self._lines[netns] = netlink.opened(netns)
        message["header"]["type"] = kind
        message["header"]["flags"] = netlink.REQUEST | netlink.ACKNOWLEDGE | flags
        message["attrs"] = attributes
        message.encode()
        netlink.change(self._lines[netns], bytes(message.data))


def _nested(*attributes: tuple[str, Any]) -> dict[str, list[tuple[str, Any]]]:
    return {"attrs": list(attributes)}


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
