"""Ask one name server for one name over UDP, as a resolver would: twice, for a datagram may be lost."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from netns.findings import Answer
from netns.reach import DEADLINE_S, RefusalError, timed

if TYPE_CHECKING:
    from dns.message import Message

TRIES = 2


def ask(server: str, name: str, port: int = 53) -> Answer:
    """Return what the server says of the IPv4 address of a name; an error is a code of RFC 1035 or of the system."""
    try:
        query = dns.message.make_query(name, dns.rdatatype.A)
    except dns.exception.DNSException:
        return Answer(server, "EINVAL")
    return timed(server, lambda: _address(_exchange(query, server, port)))


def _exchange(query: Message, server: str, port: int) -> Message:
    """Return the reply.

    Raises:
        OSError: there is none, or nobody listens.
    """
    wire = query.to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.connect((server, port))
        for _ in range(TRIES):
            caller.send(wire)
            if (reply := _reply(caller, query, DEADLINE_S / TRIES)) is not None:
                return reply
    raise TimeoutError


def _reply(caller: socket.socket, query: Message, wait_s: float) -> Message | None:
    """Return the answer to the query, None when none comes in time; what answers something else is passed by."""
    until = time.monotonic() + wait_s
    while (left := until - time.monotonic()) > 0:
        caller.settimeout(left)
        try:
            reply = dns.message.from_wire(caller.recv(4096))
        except TimeoutError:
            return None
        except dns.exception.DNSException:
            continue
        if query.is_response(reply):
            return reply
    return None


def _address(reply: Message) -> str:
    """Return the first address of a reply.

    Raises:
        RefusalError: there is none.
    """
    if reply.rcode() != dns.rcode.NOERROR:
        raise RefusalError(dns.rcode.to_text(reply.rcode()))
    records = (record for answer in reply.answer for record in answer if answer.rdtype == dns.rdatatype.A)
    found: list[str] = [record.to_text() for record in records]
    if not found:
        raise RefusalError("NODATA")
    return found[0]
