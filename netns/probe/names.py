"""Queries to name servers, over UDP, each with its deadline. The only home of dnspython outside of the lab."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from netns.probe.findings import ProbeAnswer
from netns.probe.reach import RefusalError, retry_step, time_step
from netns.probe.tcp import read_icmp_sender

if TYPE_CHECKING:
    from dns.message import Message

    from netns.probe.clock import SharedDeadline

DNS_PORT = 53

# Time between queries of a thorough look; the first ones are sent in any case, which shows how many packets are lost.
AGAIN_S = 0.4

_IP_RECVERR, _IP_RECVTTL, _IP_TTL = 11, 12, 2

# Response codes of a server that has answered and knows nothing.
NO_DATA = "NODATA"

# A server whose reply did not fit a datagram, and which says nothing over TCP within so many seconds.
TRUNCATED, TCP_S = "TRUNCATED", 1.0


def parse_name_servers(resolv_conf: str) -> list[str]:
    """Return the servers of a resolv.conf(5) text, in order; the C library uses only the first three."""
    lines = (line.split() for line in resolv_conf.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def query_name(server: str, name: str, port: int = DNS_PORT) -> ProbeAnswer:
    """Ask a server for the IPv4 address of a name; an error is a DNS response code, "NODATA" or an errno symbol."""
    try:
        query = dns.message.make_query(name, dns.rdatatype.A)
    except dns.exception.DNSException:
        return ProbeAnswer(server, "EINVAL")
    return time_step(
        server, lambda: _first_address(retry_step(lambda seconds: _exchange_messages(query, (server, port), seconds)))
    )


def _exchange_messages(query: Message, server: tuple[str, int], wait_s: float) -> Message:
    """Return the reply to a query; other datagrams are ignored.

    Raises:
        OSError: there was no reply in time, or no server listens.
    """
    deadline = time.monotonic() + wait_s
    with socket.socket(_family(server[0]), socket.SOCK_DGRAM) as udp_socket:
        udp_socket.connect(server)
        udp_socket.send(query.to_wire())
        while (remaining_s := deadline - time.monotonic()) > 0:
            udp_socket.settimeout(remaining_s)
            reply = _parse_reply(udp_socket.recv(4096))
            if reply is not None and query.is_response(reply):
                return reply
    raise TimeoutError


def _family(server: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in server else socket.AF_INET


def _parse_reply(wire: bytes) -> Message | None:
    try:
        return dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None


def _first_address(reply: Message) -> str:
    """Return the first address of a reply.

    Raises:
        RefusalError: there is none; the message is the response code or NODATA.
    """
    if reply.rcode() != dns.rcode.NOERROR:
        raise RefusalError(dns.rcode.to_text(reply.rcode()))
    records = (record for answer in reply.answer for record in answer if answer.rdtype == dns.rdatatype.A)
    addresses: list[str] = [record.to_text() for record in records]
    if not addresses:
        raise RefusalError(NO_DATA)
    return addresses[0]


def ask_server(server: str, name: str, clock: SharedDeadline, port: int = DNS_PORT) -> ProbeAnswer:
    """Ask a server for the address of a name again and again until the time is over; any reply is an answer."""
    try:
        query = dns.message.make_query(name, dns.rdatatype.A)
        with socket.socket(_family(server), socket.SOCK_DGRAM) as client:
            return _Queries(server, query, client, clock, port).ask()
    except (dns.exception.DNSException, ValueError):
        return ProbeAnswer(server, "EINVAL")
    except OSError as error:
        return ProbeAnswer(server, errno.errorcode.get(error.errno or 0, "EUNKNOWN"))


class _Queries:
    """The queries of one name to one server; the last error counts where no reply comes."""

    def __init__(self, server: str, query: Message, client: socket.socket, clock: SharedDeadline, port: int) -> None:
        self._query = query
        self._client = client
        self._clock = clock
        self._answer = ProbeAnswer(server, "ETIMEDOUT")
        self._started = time.monotonic()
        if client.family == socket.AF_INET:
            client.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            client.setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
        client.connect((server, port))
        client.settimeout(0)

    def ask(self) -> ProbeAnswer:
        """Return the first reply, or why there was none."""
        sent = 0
        while True:
            sent += self._send()
            reply = self._receive(AGAIN_S)
            if reply is not None and reply[0].flags & dns.flags.TC:
                return replace(self._complete_over_tcp(reply[1]), sent=sent, lost=sent - 1)
            if reply is not None:
                return replace(self._complete(*reply), sent=sent, lost=sent - 1)
            if not self._clock.left_s:
                return replace(self._answer, sent=sent, ms=self._elapsed_ms())

    def _send(self) -> int:
        try:
            self._client.send(self._query.to_wire())
        except OSError as error:
            self._note(error)
            return 0
        return 1

    def _receive(self, seconds: float) -> tuple[Message, int | None] | None:
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0 and self._clock.left_s:
            if not self._clock.readable([self._client], seconds=rest):
                continue
            try:
                wire, ancillary, _, _ = self._client.recvmsg(4096, 64)
            except OSError as error:
                self._note(error)
                self._clock.wait(until - time.monotonic())
                return None
            reply = _parse_reply(wire)
            if reply is not None and self._query.is_response(reply):
                return reply, _read_ttl(ancillary)
        return None

    def _complete(self, reply: Message, ttl: int | None) -> ProbeAnswer:
        error, address = None, None
        try:
            address = _first_address(reply)
        except RefusalError as refusal:
            error = str(refusal)
        source = self._client.getsockname()[0]
        return replace(self._answer, error=error, ms=self._elapsed_ms(), said=address, ttl=ttl, source=source)

    def _complete_over_tcp(self, ttl: int | None) -> ProbeAnswer:
        """A reply that does not fit a datagram is asked for again over TCP (RFC 7766), as the C library does."""
        try:
            with socket.create_connection(self._client.getpeername()[:2], min(TCP_S, self._clock.left_s)) as stream:
                wire = self._query.to_wire()
                stream.sendall(len(wire).to_bytes(2, "big") + wire)
                with stream.makefile("rb") as reader:
                    reply = _parse_reply(reader.read(int.from_bytes(reader.read(2), "big")))
        except (OSError, ValueError):
            reply = None
        if reply is None or not self._query.is_response(reply):
            return replace(self._answer, error=TRUNCATED, ms=self._elapsed_ms(), ttl=ttl)
        return self._complete(reply, ttl)

    def _note(self, error: OSError) -> None:
        sender = read_icmp_sender(self._client) if self._client.family == socket.AF_INET else None
        symbol = errno.errorcode.get(error.errno or 0, "EUNKNOWN")
        self._answer = replace(self._answer, error=symbol, sender=sender or self._answer.sender)

    def _elapsed_ms(self) -> float:
        return round((time.monotonic() - self._started) * 1000, 3)


def _read_ttl(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    return next(
        (struct.unpack("=i", data[:4])[0] for level, kind, data in ancillary if (level, kind) == (0, _IP_TTL)), None
    )


def usable_address(answer: ProbeAnswer) -> str | None:
    """Return the address that a name server gave, None where it leads nowhere, as a filter's 0.0.0.0 does."""
    if not answer.ok or answer.said is None:
        return None
    address = ipaddress.IPv4Address(answer.said)
    return None if address.is_unspecified or address.is_loopback else answer.said
