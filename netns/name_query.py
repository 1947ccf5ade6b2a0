"""Queries one name server for one name over UDP, as a resolver would. Imports dnspython."""

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
    """Ask a server for the IPv4 address of a name; an error is a DNS response code, "NODATA" or an errno symbol."""
    try:
        query = dns.message.make_query(name, dns.rdatatype.A)
    except dns.exception.DNSException:
        return Answer(server, "EINVAL")
    return timed(server, lambda: _address(patiently(lambda seconds: _exchange(query, (server, port), seconds))))


def _exchange(query: Message, server: tuple[str, int], wait_s: float) -> Message:
    """Return the reply to a query; other datagrams are ignored.

    Raises:
        OSError: there was no reply in time, or no server listens.
    """
    deadline = time.monotonic() + wait_s
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp_socket:
        udp_socket.connect(server)
        udp_socket.send(query.to_wire())
        while (remaining_s := deadline - time.monotonic()) > 0:
            udp_socket.settimeout(remaining_s)
            reply = _parsed(udp_socket.recv(4096))
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
        RefusalError: there is none; the message is the response code or NODATA.
    """
    if reply.rcode() != dns.rcode.NOERROR:
        raise RefusalError(dns.rcode.to_text(reply.rcode()))
    records = (record for answer in reply.answer for record in answer if answer.rdtype == dns.rdatatype.A)
    addresses: list[str] = [record.to_text() for record in records]
    if not addresses:
        raise RefusalError("NODATA")
    return addresses[0]
