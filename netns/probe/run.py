"""The probe process: `python -P -m netns.probe.run NAME HOST…` prints `Findings` about its own network as JSON.

It needs no privilege and judges nothing. All network steps run concurrently and have a deadline, so a dead line takes
no longer than one step. The only home of dnspython outside of the lab.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from netns.probe import findings, reach
from netns.probe.findings import Findings, InnerLink, ProbeAnswer, to_json
from netns.probe.reach import RefusalError, retry_step, time_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.message import Message

RESOLV_CONF = Path("/etc/resolv.conf")
PROC_NET = Path("/proc/self/net")
IPV6_CONF = Path("/proc/sys/net/ipv6/conf")

# Threads for all steps: three name servers, the gateway, IPv6 and some hosts.
_MAX_THREADS = 16

# From linux/sockios.h and linux/if.h.
_GET_FLAGS, _GET_MTU, _IFF_UP = 0x8913, 0x8921, 1


def probe_network(name: str, hosts: Sequence[str]) -> Findings:
    """Return the state of the network and who answers: each name server is asked for `name`, each host connected to.

    A host is `ADDRESS:PORT` or `NAME:PORT`; a name is looked up by the first server that knows it.
    """
    server_addresses = parse_name_servers(_read_text(RESOLV_CONF))
    routes = findings.parse_routes(_read_text(PROC_NET / "route"))
    gateway = next((route.gateway for route in routes if route.is_default), None)
    with ThreadPoolExecutor(_MAX_THREADS) as pool:
        ping = pool.submit(reach.ping, gateway) if gateway else None
        servers = pool.map(lambda server: query_name(server, name), server_addresses)
        connections = pool.map(lambda host: _connect_to_host(host, server_addresses), hosts)
        return Findings(
            links=tuple(_list_links()),
            addresses=tuple(findings.parse_addresses(_read_text(PROC_NET / "fib_trie"))),
            routes=tuple(routes),
            ipv6_addresses=tuple(findings.parse_ipv6_addresses(_read_text(PROC_NET / "if_inet6"))),
            ipv6_routes=tuple(findings.parse_ipv6_routes(_read_text(PROC_NET / "ipv6_route"))),
            ipv6_open=tuple(_links_with_ipv6()),
            ipv6=reach.try_ipv6(),
            gateway=ping.result() if ping else None,
            servers=tuple(servers),
            hosts=tuple(connections),
        )


def _connect_to_host(host: str, servers: Sequence[str]) -> ProbeAnswer:
    name, _, port = host.rpartition(":")
    if not any(letter.isalpha() for letter in name):
        return reach.connect(host)
    answers = (query_name(server, name) for server in servers)
    answer = next((candidate for candidate in answers if candidate.ok), None)
    return replace(reach.connect(f"{answer.said}:{port}"), target=host) if answer else ProbeAnswer(host, "ENAME")


def parse_name_servers(resolv_conf: str) -> list[str]:
    """Return the servers of a resolv.conf(5) text, in order; the C library uses only the first three."""
    lines = (line.split() for line in resolv_conf.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def _read_text(path: Path) -> str:
    """Return the text of a file, empty if it cannot be read, as on a kernel without IPv6."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _list_links() -> list[InnerLink]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp_socket:
        names = [name for _, name in socket.if_nameindex()]
        return [
            InnerLink(
                name,
                bool(_read_link_number(udp_socket, _GET_FLAGS, name, "H") & _IFF_UP),
                _read_link_number(udp_socket, _GET_MTU, name, "i"),
            )
            for name in names
        ]


def _read_link_number(udp_socket: socket.socket, request: int, name: str, kind: str) -> int:
    """Return a number from a `struct ifreq` (netdevice(7)); 0 for a link that has just been removed."""
    try:
        reply = fcntl.ioctl(udp_socket, request, struct.pack("16s24x", name.encode()))
    except OSError:
        return 0
    value: int = struct.unpack_from(kind, reply, 16)[0]
    return value


def _links_with_ipv6() -> list[str]:
    if not IPV6_CONF.is_dir():
        return []
    return sorted(path.name for path in IPV6_CONF.iterdir() if _read_text(path / "disable_ipv6").strip() == "0")


def query_name(server: str, name: str, port: int = 53) -> ProbeAnswer:
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
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp_socket:
        udp_socket.connect(server)
        udp_socket.send(query.to_wire())
        while (remaining_s := deadline - time.monotonic()) > 0:
            udp_socket.settimeout(remaining_s)
            reply = _parse_reply(udp_socket.recv(4096))
            if reply is not None and query.is_response(reply):
                return reply
    raise TimeoutError


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
        raise RefusalError("NODATA")
    return addresses[0]


def main() -> None:
    """Examine the network and print the findings."""
    name, *hosts = sys.argv[1:]
    sys.stdout.buffer.write(to_json(probe_network(name, hosts)))


if __name__ == "__main__":
    main()
