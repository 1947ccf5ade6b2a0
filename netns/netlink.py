"""rtnetlink(7): ask for links, addresses or routes and take the answers apart; send a change that is made elsewhere.

What changes anything is made with pyroute2 (`netns.kernel`), whose import alone takes several times as long as all of
this.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from netns.join import joined

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
_LARGEST = 1 << 18
_TIMEOUT_S = 10
# An address of the internet that nobody routes specially (a.root-servers.net); nothing is sent there.
SOMEWHERE = "198.41.0.4"
_DST, _SRC, _IIF = 1, 2, 3  # RTA_*
# The fixed part of each kind: ifinfomsg, ifaddrmsg, rtmsg, fib_rule_hdr.
FIXED = {
    GETLINK: struct.Struct("=BxHiII"),  # family, type, index, flags, change
    GETADDR: struct.Struct("=BBBBI"),  # family, prefix length, flags, scope, index
    GETROUTE: struct.Struct("=BBBBBBBBI"),  # family, lengths of dst and src, tos, table, protocol, scope, type, flags
    GETRULE: struct.Struct("=BBBBBBBBI"),  # family, lengths of dst and src, tos, table, two of no use, action, flags
}


class Message(NamedTuple):
    """One answer: the numbers of its fixed part, and its attributes as they came."""

    fixed: tuple[int, ...]
    attributes: dict[int, bytes]


def dump(kind: int, netns: str | None, family: int = 0) -> list[Message]:
    """Return all links, addresses, routes or rules of a namespace (None: the host).

    Raises:
        OSError: there is no such namespace, or the kernel refused.
    """
    fixed = bytes([family]) + bytes(FIXED[kind].size - 1)
    with opened(netns) as line:
        while True:
            found, whole = _ask(line, kind, _DUMP, fixed)
            if whole:
                return found


def way_to(address: str, source: str | None = None, index: int = 0) -> Message | None:
    """Return the route by which the host would reach an IPv4 address, None where it would not. Nothing is sent.

    With `source` and `index` it is that of a packet from there which comes in by the link of that index.
    """
    wanted = _attribute(_DST, socket.inet_aton(address))
    if source:
        wanted += _attribute(_SRC, socket.inet_aton(source)) + _attribute(_IIF, struct.pack("=i", index))
    fixed = FIXED[GETROUTE].pack(socket.AF_INET, 32, 32 if source else 0, *[0] * 6)
    with opened(None) as line:
        try:
            return _ask(line, GETROUTE, 0, fixed + wanted)[0][0]
        except OSError:  # no route, or one that says no
            return None


def attributes(text: bytes) -> dict[int, bytes]:
    """Return the attributes (type, value) of a message or of a nested attribute."""
    found: dict[int, bytes] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(text):
        length, kind = _ATTRIBUTE.unpack_from(text, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & ~_NESTED] = text[at + _ATTRIBUTE.size : at + length]
        at += aligned(length)
    return found


def aligned(length: int) -> int:
    """Return where the next part begins: netlink fills up to four bytes."""
    return (length + 3) & ~3


def change(line: socket.socket, request: bytes) -> None:
    """Send a whole message that asks for an acknowledgement, and wait for it.

    Raises:
        OSError: the kernel refused.
    """
    line.sendto(request, (0, 0))
    for kind, _, text in _messages(line.recv(_LARGEST)):
        if kind == _ERROR and (number := -struct.unpack_from("=i", text)[0]):
            raise OSError(number, os.strerror(number))


def opened(netns: str | None) -> socket.socket:
    """Return a socket that stays in the namespace (None: the host) where it was opened.

    Raises:
        OSError: there is no such namespace.
    """
    with joined(netns):
        line = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    line.settimeout(_TIMEOUT_S)
    return line


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value


def _ask(line: socket.socket, kind: int, flags: int, body: bytes) -> tuple[list[Message], bool]:
    """Return the answers, and whether nothing changed while they were listed."""
    line.send(_HEADER.pack(_HEADER.size + len(body), kind, REQUEST | flags, 1, 0) + body)
    found: list[Message] = []
    whole = True
    while True:
        for answer, marks, text in _messages(line.recv(_LARGEST)):
            whole = whole and not marks & _DUMP_INTERRUPTED
            if answer == _DONE:
                return found, whole
            _refuse_error(answer, text)
            fixed = FIXED[kind]
            found.append(Message(fixed.unpack_from(text), attributes(text[aligned(fixed.size) :])))
        if not flags & _DUMP:
            return found, whole


def _refuse_error(answer: int, text: bytes) -> None:
    if answer == _ERROR:
        number = -struct.unpack_from("=i", text)[0]
        raise OSError(number, f"the kernel refused to list the network: {os.strerror(number)}")


def _messages(text: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(text):
        length, kind, flags, _, _ = _HEADER.unpack_from(text, at)
        yield kind, flags, text[at + _HEADER.size : at + length]
        at += aligned(length)
