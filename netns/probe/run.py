"""The probe process: `python -P -m netns.probe.run QUESTION` prints `Findings` about its own network as JSON.

QUESTION is a `netns.probe.findings.Question` as JSON. It needs no privilege and judges nothing. All network steps run
concurrently and have a deadline, so a dead line takes no longer than one step.
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

from netns.probe import findings, reach
from netns.probe.findings import Findings, InnerLink, ProbeAnswer, Question, question_from_json, to_json
from netns.probe.names import parse_name_servers, query_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESOLV_CONF = Path("/etc/resolv.conf")
PROC_NET = Path("/proc/self/net")
IPV6_CONF = Path("/proc/sys/net/ipv6/conf")
LINKS_FOLDER = Path("/sys/class/net")

# Threads for all steps: three name servers, the gateway, IPv6 and some hosts.
_MAX_THREADS = 16

# From linux/sockios.h and linux/if.h.
_GET_FLAGS, _GET_ADDRESS, _GET_MTU, _IFF_UP, _IFF_RUNNING = 0x8913, 0x8915, 0x8921, 1, 0x40

# The column of /proc/net/dev with the packets that a link has sent.
_SENT_PACKETS = 9


def probe_network(question: Question) -> Findings:
    """Return the state of the network and who answers: each name server is asked, each host connected to.

    A host is `ADDRESS:PORT` or `NAME:PORT`; a name is looked up by the first server that knows it.
    """
    sent_before, undelivered_before = _read_sent_packets(), _read_undelivered()
    server_addresses = parse_name_servers(_read_text(RESOLV_CONF))
    routes = findings.parse_routes(_read_text(PROC_NET / "route"))
    gateway = next((route.gateway for route in routes if route.is_default), None)
    answered = _look(question, server_addresses, gateway)
    sent_after, undelivered_after = _read_sent_packets(), _read_undelivered()
    return replace(
        answered,
        links=tuple(
            replace(link, left=sent_after[link.name] - sent_before[link.name])
            if link.name in sent_after.keys() & sent_before.keys()
            else link
            for link in _list_links()
        ),
        addresses=tuple(findings.parse_addresses(_read_text(PROC_NET / "fib_trie"))),
        routes=tuple(routes),
        ipv6_addresses=tuple(findings.parse_ipv6_addresses(_read_text(PROC_NET / "if_inet6"))),
        ipv6_routes=tuple(findings.parse_ipv6_routes(_read_text(PROC_NET / "ipv6_route"))),
        ipv6_open=tuple(_links_with_ipv6()),
        ipv6=reach.try_ipv6(),
        neighbours=tuple(findings.parse_neighbours(_read_text(PROC_NET / "arp"))),
        at=time.time(),
        undelivered=max(0, undelivered_after - undelivered_before) if question.thorough else None,
    )


def _look(question: Question, servers: Sequence[str], gateway: str | None) -> Findings:
    if question.thorough:
        from netns.probe import thorough  # noqa: PLC0415  TLS, which `speedmon check` does not need

        return thorough.with_answers(Findings(), thorough.look_thoroughly(question, servers, gateway))
    with ThreadPoolExecutor(_MAX_THREADS) as pool:
        ping = pool.submit(reach.ping, gateway) if gateway else None
        answers = pool.map(lambda server: query_name(server, question.name), servers)
        connections = pool.map(lambda host: _connect_to_host(host, servers), question.hosts)
        return Findings(gateway=ping.result() if ping else None, servers=tuple(answers), hosts=tuple(connections))


def _connect_to_host(host: str, servers: Sequence[str]) -> ProbeAnswer:
    name, _, port = host.rpartition(":")
    if not any(letter.isalpha() for letter in name):
        return reach.connect(host)
    answers = (query_name(server, name) for server in servers)
    answer = next((candidate for candidate in answers if candidate.ok), None)
    return replace(reach.connect(f"{answer.said}:{port}"), target=host) if answer else ProbeAnswer(host, "ENAME")


def _read_text(path: Path) -> str:
    """Return the text of a file, empty if it cannot be read, as on a kernel without IPv6."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _read_sent_packets() -> Mapping[str, int]:
    rows = (line.partition(":") for line in _read_text(PROC_NET / "dev").splitlines()[2:])
    return {name.strip(): int(counters.split()[_SENT_PACKETS]) for name, _, counters in rows}


def _read_undelivered() -> int:
    return findings.parse_undelivered(_read_text(PROC_NET / "snmp")) or 0


def _list_links() -> list[InnerLink]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp_socket:
        return [_describe_link(udp_socket, name) for _, name in socket.if_nameindex()]


def _describe_link(udp_socket: socket.socket, name: str) -> InnerLink:
    flags = _read_link_number(udp_socket, _GET_FLAGS, name, "H")
    changes = _read_text(LINKS_FOLDER / name / "carrier_changes").strip()
    return InnerLink(
        name,
        bool(flags & _IFF_UP),
        _read_link_number(udp_socket, _GET_MTU, name, "i"),
        carrier=bool(flags & _IFF_RUNNING),
        carrier_changes=int(changes) if changes.isdigit() else None,
        address=_read_link_address(udp_socket, name),
    )


def _read_link_number(udp_socket: socket.socket, request: int, name: str, kind: str) -> int:
    """Return a number from a `struct ifreq` (netdevice(7)); 0 for a link that has just been removed."""
    try:
        reply = fcntl.ioctl(udp_socket, request, struct.pack("16s24x", name.encode()))
    except OSError:
        return 0
    value: int = struct.unpack_from(kind, reply, 16)[0]
    return value


def _read_link_address(udp_socket: socket.socket, name: str) -> str | None:
    """Return the first IPv4 address of a link, None where it has none."""
    try:
        reply = fcntl.ioctl(udp_socket, _GET_ADDRESS, struct.pack("16s24x", name.encode()))
    except OSError:
        return None
    return socket.inet_ntoa(reply[20:24])


def _links_with_ipv6() -> list[str]:
    if not IPV6_CONF.is_dir():
        return []
    return sorted(path.name for path in IPV6_CONF.iterdir() if _read_text(path / "disable_ipv6").strip() == "0")


def main() -> None:
    """Examine the network and print the findings."""
    sys.stdout.buffer.write(to_json(probe_network(question_from_json(sys.argv[1]))))


if __name__ == "__main__":
    main()
