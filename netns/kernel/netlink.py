"""rtnetlink(7) without a library: lists links, addresses, routes and rules, and sends messages built elsewhere.

Messages that change something are built with pyroute2 (`netns.kernel.changes`), whose import alone takes several times
as long as a whole listing here.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from netns.kernel.namespaces import enter_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

# From linux/netlink.h and linux/rtnetlink.h.
GETLINK, GETADDR, GETROUTE, GETRULE = 18, 22, 26, 34
_ERROR, _DONE = 2, 3
REQUEST, ACKNOWLEDGE = 0x1, 0x4
_DUMP, _DUMP_INTERRUPTED = 0x300, 0x10
_NESTED = 0xC000  # flags in an attribute's type
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type
_MAX_REPLY_BYTES = 1 << 18
_TIMEOUT_S = 10

# An internet address without special routes (a.root-servers.net), to look up a route; nothing is sent there.
INTERNET_ADDRESS = "198.41.0.4"
_DST, _SRC, _IIF = 1, 2, 3  # RTA_*

# The fixed part of each kind of message: ifinfomsg, ifaddrmsg, rtmsg, fib_rule_hdr.
FIXED_PARTS = {
    GETLINK: struct.Struct("=BxHiII"),  # family, type, index, flags, change
    GETADDR: struct.Struct("=BBBBI"),  # family, prefix length, flags, scope, index
    GETROUTE: struct.Struct("=BBBBBBBBI"),  # family, lengths of dst and src, tos, table, protocol, scope, type, flags
    GETRULE: struct.Struct("=BBBBBBBBI"),  # family, lengths of dst and src, tos, table, two reserved, action, flags
}


class NetlinkMessage(NamedTuple):
    """One answer: the numbers of its fixed part, and its attributes as bytes, by type."""

    fixed: tuple[int, ...]
    attributes: dict[int, bytes]


def dump_objects(kind: int, netns: str | None, family: int = 0) -> list[NetlinkMessage]:
    """Return all links, addresses, routes or rules of a namespace (None: the host).

    Raises:
        OSError: there is no such namespace, or the kernel refused.
    """
    fixed = bytes([family]) + bytes(FIXED_PARTS[kind].size - 1)
    with open_socket(netns) as netlink_socket:
        while True:
            answers, consistent = _request(netlink_socket, kind, _DUMP, fixed)
            if consistent:
                return answers


def find_route(address: str, source: str | None = None, index: int = 0) -> NetlinkMessage | None:
    """Return the route by which the host would reach an IPv4 address, None if it has none. Nothing is sent.

    With `source` and `index`: the route of a forwarded packet from that address, received on the link of that index.
    """
    request = _encode_attribute(_DST, socket.inet_aton(address))
    if source:
        request += _encode_attribute(_SRC, socket.inet_aton(source)) + _encode_attribute(_IIF, struct.pack("=i", index))
    fixed = FIXED_PARTS[GETROUTE].pack(socket.AF_INET, 32, 32 if source else 0, *[0] * 6)
    with open_socket(None) as netlink_socket:
        try:
            return _request(netlink_socket, GETROUTE, 0, fixed + request)[0][0]
        except OSError:  # no route, or an unreachable one
            return None


def parse_attributes(data: bytes) -> dict[int, bytes]:
    """Return the attributes of a message or of a nested attribute, by type."""
    values: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            break
        values[kind & ~_NESTED] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += align_length(length)
    return values


def align_length(length: int) -> int:
    """Return a length rounded up to four bytes, as netlink aligns its parts."""
    return (length + 3) & ~3


def send_change(netlink_socket: socket.socket, request: bytes) -> None:
    """Send a complete message that requests an acknowledgement, and wait for that.

    Raises:
        OSError: the kernel refused.
    """
    netlink_socket.sendto(request, (0, 0))
    for kind, _, data in _split_messages(netlink_socket.recv(_MAX_REPLY_BYTES)):
        if kind == _ERROR and (number := -struct.unpack_from("=i", data)[0]):
            raise OSError(number, os.strerror(number))


def open_socket(netns: str | None) -> socket.socket:
    """Return a netlink socket of a namespace (None: the host), which it keeps when the thread leaves.

    Raises:
        OSError: there is no such namespace.
    """
    with enter_namespace(netns):
        netlink_socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    netlink_socket.settimeout(_TIMEOUT_S)
    return netlink_socket


def _encode_attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value


def _request(netlink_socket: socket.socket, kind: int, flags: int, body: bytes) -> tuple[list[NetlinkMessage], bool]:
    """Return the answers, and whether they are consistent: nothing changed while they were listed."""
    netlink_socket.send(_HEADER.pack(_HEADER.size + len(body), kind, REQUEST | flags, 1, 0) + body)
    answers: list[NetlinkMessage] = []
    consistent = True
    while True:
        for answer_kind, message_flags, data in _split_messages(netlink_socket.recv(_MAX_REPLY_BYTES)):
            consistent = consistent and not message_flags & _DUMP_INTERRUPTED
            if answer_kind == _DONE:
                return answers, consistent
            _raise_error(answer_kind, data)
            fixed = FIXED_PARTS[kind]
            answers.append(NetlinkMessage(fixed.unpack_from(data), parse_attributes(data[align_length(fixed.size) :])))
        if not flags & _DUMP:
            return answers, consistent


def _raise_error(answer_kind: int, data: bytes) -> None:
    if answer_kind == _ERROR:
        number = -struct.unpack_from("=i", data)[0]
        raise OSError(number, f"the kernel refused to list the network: {os.strerror(number)}")


def _split_messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, offset)
        yield kind, flags, data[offset + _HEADER.size : offset + length]
        offset += align_length(length)
