"""Network attempts, each one small step with a deadline: TCP connect, ping, and IPv6, which must fail."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import time
from typing import TYPE_CHECKING, TypeVar

from netns.probe.findings import ProbeAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
DEADLINE_S = 2.0

# One try, and the pause between tries: a datagram may be lost, and the kernel rejects packets to a neighbour at once
# if it has just failed to find it.
TRY_S, PAUSE_S = 0.9, 0.1

# An address reserved for documentation (RFC 3849): with IPv6 disabled, the kernel rejects it without sending anything.
IPV6_TARGET = ("2001:db8::1", 443)
_ECHO = struct.pack("!BBHHH", 8, 0, 0, 0, 1)  # RFC 792; the kernel fills in identifier and checksum


class RefusalError(Exception):
    """The other side answered with an error that has a name, such as NXDOMAIN."""


def time_step(target: str, step: Callable[[], str | None]) -> ProbeAnswer:
    """Run a step and return its result as an answer; the step returns a text or None, and raises if it fails."""
    started_at = time.monotonic()
    said, error = None, None
    try:
        said = step()
    except RefusalError as refusal:
        error = str(refusal)
    except TimeoutError:
        error = "ETIMEDOUT"
    except OSError as os_error:
        error = errno.errorcode.get(os_error.errno or 0, type(os_error).__name__)
    except (ValueError, OverflowError):
        error = "EINVAL"
    return ProbeAnswer(target, error, round((time.monotonic() - started_at) * 1000, 3), said)


def retry_step(step: Callable[[float], T], try_s: float = TRY_S, deadline_s: float = DEADLINE_S) -> T:
    """Call a step with a timeout in seconds, again until the deadline if it fails, and return its result.

    Raises:
        OSError: the error of the last try.
    """
    deadline = time.monotonic() + deadline_s
    while True:
        try:
            return step(min(try_s, deadline - time.monotonic()))
        except OSError as error:
            if not _is_transient(error) or deadline - time.monotonic() < 2 * PAUSE_S:
                raise
        time.sleep(PAUSE_S)


def _is_transient(error: OSError) -> bool:
    return isinstance(error, TimeoutError) or error.errno == errno.EHOSTUNREACH


def connect(host: str) -> ProbeAnswer:
    """Open a TCP connection to `ADDRESS:PORT` (IPv4) and close it."""
    address, _, port = host.rpartition(":")

    def step(seconds: float) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(seconds)
            client.connect((str(ipaddress.IPv4Address(address)), int(port)))

    return time_step(host, lambda: retry_step(step, DEADLINE_S))


def ping(address: str, deadline_s: float = DEADLINE_S) -> ProbeAnswer:
    """Send echo requests until one is answered; the ICMP socket needs no privilege if ping_group_range allows it."""

    def step(seconds: float) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as client:
            client.settimeout(seconds)
            client.connect((address, 0))
            client.send(_ECHO)
            client.recv(1024)

    return time_step(address, lambda: retry_step(step, min(TRY_S, deadline_s / 2), deadline_s))


def try_ipv6() -> ProbeAnswer:
    """Start a TCP connection over IPv6; no error means that a packet was or could have been sent."""

    def step() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as client:
            client.settimeout(0)
            code = client.connect_ex(IPV6_TARGET)
        if code not in {0, errno.EINPROGRESS}:
            raise OSError(code, "refused")

    return time_step(IPV6_TARGET[0], step)
