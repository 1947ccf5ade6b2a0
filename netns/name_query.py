"""Ask one name server for one name over UDP, as a resolver would."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from netns.findings import Answer
from netns.reach import RefusalError, patiently, timed

if TYPE_CHECKING:
    from dns.message import Message


def ask(server: str, name: str, port: int = 53) -> Answer:
    """Return what the server says of the IPv4 address of a name; an error is a code of RFC 1035 or of the system."""
    try:
        query = dns.message.make_query(name, dns.rdatatype.A)
    except dns.exception.DNSException:
        return Answer(server, "EINVAL")
    return timed(server, lambda: _address(patiently(lambda seconds: _exchange(query, (server, port), seconds))))


def _exchange(query: Message, server: tuple[str, int], wait_s: float) -> Message:
    """Return the reply; what answers something else is passed by.

    Raises:
        OSError: there is none in time, or nobody listens.
    """
    until = time.monotonic() + wait_s
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.connect(server)
        caller.send(query.to_wire())
        while (left := until - time.monotonic()) > 0:
            caller.settimeout(left)
            reply = _parsed(caller.recv(4096))
            if reply is not None and query.is_response(reply):
                return reply
    raise TimeoutError


def _parsed(wire: bytes) -> Message | None:
    try:
        return dns.message.from_wire(wire)
    except dns.exception.DNSException:
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
