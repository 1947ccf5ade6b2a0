"""Ask the network, one small step each, none longer than its deadline: connect, ping, and IPv6, which must fail."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import time
from typing import TYPE_CHECKING, TypeVar

from netns.findings import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
DEADLINE_S = 2.0
# A datagram may be lost, and a neighbour that was sought in vain a moment ago is refused at once: both are tried again.
TRY_S, PAUSE_S = 0.9, 0.1
# An address for documentation (RFC 3849): with IPv6 switched off the kernel refuses it without sending anything.
IPV6_TARGET = ("2001:db8::1", 443)
_ECHO = struct.pack("!BBHHH", 8, 0, 0, 0, 1)  # RFC 792; the kernel fills in identifier and checksum


class RefusalError(Exception):
    """The other side answered, with a refusal that has a name of its own, such as NXDOMAIN."""


def timed(target: str, step: Callable[[], str | None]) -> Answer:
    """Return what came of a step that returns what it learnt, or raises when it fails."""
    begun = time.monotonic()
    said, error = None, None
    try:
        said = step()
    except RefusalError as refusal:
        error = str(refusal)
    except TimeoutError:
        error = "ETIMEDOUT"
    except OSError as failed:
        error = errno.errorcode.get(failed.errno or 0, type(failed).__name__)
    except (ValueError, OverflowError):
        error = "EINVAL"
    return Answer(target, error, round((time.monotonic() - begun) * 1000, 3), said)


def patiently(step: Callable[[float], T], try_s: float = TRY_S) -> T:
    """Return what a step returns that is given so many seconds; until the deadline it is tried again.

    Raises:
        OSError: what the last try raised.
    """
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            return step(min(try_s, until - time.monotonic()))
        except OSError as error:
            if not _may_pass(error) or until - time.monotonic() < 2 * PAUSE_S:
                raise
        time.sleep(PAUSE_S)


def _may_pass(error: OSError) -> bool:
    return isinstance(error, TimeoutError) or error.errno == errno.EHOSTUNREACH


def connect(host: str) -> Answer:
    """Open a TCP connection to `ADDRESS:PORT` (IPv4) and close it: a packet out and a packet back."""
    address, _, port = host.rpartition(":")

    def step(seconds: float) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as caller:
            caller.settimeout(seconds)
            caller.connect((str(ipaddress.IPv4Address(address)), int(port)))

    return timed(host, lambda: patiently(step, DEADLINE_S))


def ping(address: str) -> Answer:
    """Send one echo request by a socket that needs no privilege where ping_group_range allows it."""

    def step(seconds: float) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as caller:
            caller.settimeout(seconds)
            caller.connect((address, 0))
            caller.send(_ECHO)
            caller.recv(1024)

    return timed(address, lambda: patiently(step))


def ipv6() -> Answer:
    """Begin a TCP connection over IPv6; no error means that a packet left, or could have."""

    def step() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as caller:
            caller.setblocking(False)  # noqa: FBT003  its only argument
            failed = caller.connect_ex(IPV6_TARGET)
        if failed not in {0, errno.EINPROGRESS}:
            raise OSError(failed, "refused")

    return timed(IPV6_TARGET[0], step)
