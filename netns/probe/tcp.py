"""TCP connections of a thorough look: attempts that are repeated and counted, and who refused them.

A refusal is a reset, whose time to live is found with IP_MINTTL (ip(7)), or an ICMP error, whose sender the socket's
error queue names (IP_RECVERR). Neither needs a privilege.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netns.probe.clock import SharedDeadline

# When attempts are sent, in seconds. The first ones always are, which shows how many packets are lost; the others only
# while none has connected.
ATTEMPTS_S = (0.0, 0.1, 0.2, 0.3, 0.8, 1.3, 1.9, 2.5)

ALWAYS = 4

# An attempt without an answer counts as lost after so long: the kernel has sent its packet again by then.
LOST_S = 1.05

_IP_RECVERR, _IP_MINTTL = 11, 21

_MSG_ERRQUEUE = 0x2000

# struct sock_extended_err (linux/errqueue.h) and the sockaddr_in of the sender behind it.
_EXTENDED_ERROR, _ORIGIN_ICMP = struct.Struct("=IBBBBII4xIB"), 2

_SENDER = slice(20, 24)

# total_retrans of struct tcp_info (linux/tcp.h): also counts SYN packets.
_TOTAL_RETRANS = 100

# A near box answers with 64, 128 or 255, less than a few hops; the times to live in between come from afar.
_TTL_STEPS = (1, 50, 60, 61, 62, 63, 64, 65, 120, 126, 127, 128, 129, 250, 253, 254, 255)

_MEASURE_S = 0.5

# Packets that expire are sent so often, with so long for each: routers report only a few a second.
_EXPIRY_ATTEMPTS, _EXPIRY_S = 3, 0.35

_ANSWERS = frozenset({0, errno.ECONNREFUSED, errno.ECONNRESET})


@dataclass(slots=True)
class Attempts:
    """Connection attempts to one address: the first that connected, the error of the last that did not."""

    connected: socket.socket | None = None
    error: int | None = None
    sender: str | None = None
    ms: float = 0.0
    sent: int = 0
    lost: int = 0
    others: list[socket.socket] = field(default_factory=list)
    began: dict[socket.socket, float] = field(default_factory=dict)

    @property
    def symbol(self) -> str | None:
        """The error's symbol; None where one connected."""
        if self.connected is not None:
            return None
        return errno.errorcode.get(self.error or errno.ETIMEDOUT, "EUNKNOWN")

    @property
    def source(self) -> str | None:
        """The local address of the connection."""
        return self.connected.getsockname()[0] if self.connected else None

    def count_lost(self, clock: SharedDeadline) -> None:
        """Count the attempts whose first packet got no answer, once they are old enough to know; forget the others."""
        if self.connected is not None and (waiting := [client for client in self.others if not _is_connected(client)]):
            clock.wait(max(self.began[client] for client in waiting) + LOST_S - time.monotonic())
        for client in self.others:
            if _is_connected(client):
                self.lost += _was_sent_again(client)
            elif time.monotonic() - self.began[client] >= LOST_S - 0.05:
                self.lost += 1
            else:
                self.sent -= 1

    def close(self) -> None:
        """Close all sockets."""
        for client in (*self.others, *([self.connected] if self.connected else [])):
            client.close()


def connect_repeatedly(address: str, port: int, clock: SharedDeadline, *, segment: int | None = None) -> Attempts:
    """Try to connect until one attempt does, the time is over, or all were refused.

    Args:
        address: an IPv4 address.
        port: the port.
        clock: the time that is left.
        segment: the largest segment that the other side may send; None: the kernel's choice.
    """
    attempts, started = Attempts(), time.monotonic()
    pending: list[socket.socket] = []
    for after_s in ATTEMPTS_S:
        _await_connection(attempts, pending, clock, started, started + after_s)
        if (attempts.connected and attempts.sent >= (ALWAYS if segment is None else 1)) or not clock.left_s:
            break
        if attempts.sent >= ALWAYS and attempts.error in _ANSWERS:
            break
        _start(attempts, pending, (address, port), segment)
    if attempts.connected is None:
        _await_connection(attempts, pending, clock, started, float("inf"))
    attempts.others += pending
    return attempts


def _start(attempts: Attempts, pending: list[socket.socket], target: tuple[str, int], segment: int | None) -> None:
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(0)
    client.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    if segment is not None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
    attempts.sent += 1
    attempts.began[client] = time.monotonic()
    code = client.connect_ex(target)
    if code in {0, errno.EINPROGRESS}:
        pending.append(client)
        return
    attempts.error, attempts.sender = code, read_icmp_sender(client) or attempts.sender
    client.close()


def _await_connection(
    attempts: Attempts, pending: list[socket.socket], clock: SharedDeadline, started: float, until: float
) -> None:
    """Wait for answers to the pending attempts until a time; return as soon as one has connected."""
    while pending and attempts.connected is None and (rest := until - time.monotonic()) > 0 and clock.left_s:
        for client in clock.writable(pending, seconds=rest):
            pending.remove(client)
            _take_answer(attempts, client, started)
    if not pending and until != float("inf"):
        clock.wait(until - time.monotonic())


def _take_answer(attempts: Attempts, client: socket.socket, started: float) -> None:
    code = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    attempts.ms = round((time.monotonic() - started) * 1000, 3)
    if code == 0 and attempts.connected is None:
        attempts.connected = client
        # Before anything else is sent over it, which may be lost too.
        attempts.lost += _was_sent_again(client)
    elif code == 0:
        attempts.others.append(client)
    else:
        attempts.error, attempts.sender = code, read_icmp_sender(client) or attempts.sender
        attempts.lost += code not in _ANSWERS and attempts.sender is None
        client.close()


def _is_connected(client: socket.socket) -> bool:
    try:
        client.getpeername()
    except OSError:
        return False
    return True


def _was_sent_again(client: socket.socket) -> bool:
    """Whether the kernel had to send the first packet of a connection, or a later one, again."""
    info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TOTAL_RETRANS + 4)
    return len(info) == _TOTAL_RETRANS + 4 and bool(struct.unpack_from("=I", info, _TOTAL_RETRANS)[0])


def read_icmp_sender(client: socket.socket) -> str | None:
    """Return the address that sent the ICMP error of a socket with IP_RECVERR; None where there was none."""
    try:
        _, ancillary, _, _ = client.recvmsg(1, 512, _MSG_ERRQUEUE)
    except OSError:
        return None
    for level, kind, data in ancillary:
        if (
            (level, kind) == (socket.IPPROTO_IP, _IP_RECVERR)
            and len(data) >= _SENDER.stop + 4
            and data[4] == _ORIGIN_ICMP
        ):
            return socket.inet_ntoa(data[_SENDER])
    return None


def measure_ttl(address: str, port: int, clock: SharedDeadline) -> int | None:
    """Return the time to live of what answers connections to an address, as the highest step that it reaches.

    None: nothing answered.
    """
    reached: list[int] = []
    with contextlib.ExitStack() as stack:
        waiting = {}
        for client, step, code in _limited_sockets(stack, address, port):
            if code == errno.EINPROGRESS:
                waiting[client] = step
            elif code in _ANSWERS:
                reached.append(step)
        until = time.monotonic() + _MEASURE_S
        while waiting and (rest := until - time.monotonic()) > 0 and clock.left_s:
            for client in clock.writable(list(waiting), seconds=rest):
                step = waiting.pop(client)
                if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in _ANSWERS:
                    reached.append(step)
    return max(reached, default=None)


def try_first_hop(address: str, port: int, clock: SharedDeadline) -> str | None:
    """Return the error of a connection whose packets may not pass any router; None where nothing comes back."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(0)
        client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        code = client.connect_ex((address, port))
        if code == errno.EINPROGRESS:
            ready = clock.writable([client], seconds=_MEASURE_S)
            code = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ready else 0
    return errno.errorcode.get(code)


def find_expiry(address: str, port: int, hops: int, clock: SharedDeadline) -> tuple[str | None, str | None] | None:
    """Return what becomes of packets that may pass `hops` routers: the error's symbol, and who reports their end.

    No symbol: a router ended them, or they arrived. None: there was no time to know.
    """
    began, clients = time.monotonic(), list[socket.socket]()
    with contextlib.ExitStack() as stack:
        for attempt in range(1, _EXPIRY_ATTEMPTS + 1):
            client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            client.settimeout(0)
            client.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
            code = client.connect_ex((address, port))
            clients.append(client)
            until = began + attempt * _EXPIRY_S
            ready = clock.writable(clients, seconds=until - time.monotonic()) if code == errno.EINPROGRESS else [client]
            if ready:
                code = ready[0].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or code % errno.EINPROGRESS
                return _describe_end(code, read_icmp_sender(ready[0]))
            if time.monotonic() < until:
                return None
    return "ETIMEDOUT", None


def _describe_end(code: int, sender: str | None) -> tuple[str | None, str | None]:
    ended = code == 0 or (code == errno.EHOSTUNREACH and sender is not None)
    return None if ended else errno.errorcode.get(code, "EUNKNOWN"), sender


def _limited_sockets(stack: contextlib.ExitStack, address: str, port: int) -> Iterator[tuple[socket.socket, int, int]]:
    """Yield a connection attempt for each step, with the code of its start: a refusal by this host comes at once."""
    for step in _TTL_STEPS:
        client = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        client.settimeout(0)
        client.setsockopt(socket.IPPROTO_IP, _IP_MINTTL, step)
        yield client, step, client.connect_ex((address, port))
