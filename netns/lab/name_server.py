"""The lab's name server: A and AAAA records of a few names, over UDP. `answer` is pure, `serve` uses the socket."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from netns.lab import topology

if TYPE_CHECKING:
    from collections.abc import Mapping

TTL_S = 60
ADDRESSES = {dns.rdatatype.A: topology.SERVER_IPV4, dns.rdatatype.AAAA: topology.SERVER_IPV6}
ZONE = {dns.name.from_text(name): ADDRESSES for name in topology.NAMES}


def answer(query: bytes, zone: Mapping[dns.name.Name, Mapping[dns.rdatatype.RdataType, str]] = ZONE) -> bytes | None:
    """Return the reply to a query (RFC 1035): the address, no data for another type, NXDOMAIN for another name.

    None if it is not a query.
    """
    try:
        request = dns.message.from_wire(query)
        reply = dns.message.make_response(request, recursion_available=True)
    except dns.exception.DNSException:
        return None
    for question in request.question:
        addresses = zone.get(question.name)
        if addresses is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif question.rdtype in addresses:
            reply.answer.append(
                dns.rrset.from_text(question.name, TTL_S, "IN", question.rdtype, addresses[question.rdtype])
            )
    return reply.to_wire()


def bound(address: str, port: int = 53) -> socket.socket:
    """Return a UDP socket bound to an address, for `serve`."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((address, port))
    return listener


def serve(listener: socket.socket) -> None:
    """Answer queries until the process ends."""
    while True:
        query, sender = listener.recvfrom(4096)
        if (reply := answer(query)) is not None:
            listener.sendto(reply, sender)


def serve_lab_names() -> None:
    """Serve the lab's names at the address of the ISP's name server; a line on stdout reports that it listens."""
    with bound(topology.NAME_SERVER) as listener:
        print("ready", flush=True)  # noqa: T201  the parent waits for it
        serve(listener)
