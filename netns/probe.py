"""`python -P -m netns.probe NAME HOST…` examines the network where it runs and prints `Findings` as JSON.

It needs no privilege and judges nothing. All network steps run concurrently and have a deadline, so a dead line takes
no longer than one step.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netns import name_query, proc_net, reach
from netns.findings import Answer, Findings, InnerLink, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

RESOLV_CONF = Path("/etc/resolv.conf")
PROC_NET = Path("/proc/self/net")
IPV6_CONF = Path("/proc/sys/net/ipv6/conf")
# Threads for all steps: three name servers, the gateway, IPv6 and some hosts.
_AT_ONCE = 16
# From linux/sockios.h and linux/if.h.
_GET_FLAGS, _GET_MTU, _IFF_UP = 0x8913, 0x8921, 1


def look(name: str, hosts: Sequence[str]) -> Findings:
    """Return the state of the network and who answers: each name server is asked for `name`, each host connected to.

    A host is `ADDRESS:PORT` or `NAME:PORT`; a name is looked up by the first server that knows it.
    """
    server_addresses = name_servers(_text(RESOLV_CONF))
    routes = proc_net.routes(_text(PROC_NET / "route"))
    gateway = next((route.gateway for route in routes if route.is_default), None)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ping = pool.submit(reach.ping, gateway) if gateway else None
        servers = pool.map(lambda server: name_query.ask(server, name), server_addresses)
        connections = pool.map(lambda host: _connect(host, server_addresses), hosts)
        return Findings(
            links=tuple(_links()),
            addresses=tuple(proc_net.addresses(_text(PROC_NET / "fib_trie"))),
            routes=tuple(routes),
            ipv6_addresses=tuple(proc_net.ipv6_addresses(_text(PROC_NET / "if_inet6"))),
            ipv6_routes=tuple(proc_net.ipv6_routes(_text(PROC_NET / "ipv6_route"))),
            ipv6_open=tuple(_ipv6_open()),
            ipv6=reach.ipv6(),
            gateway=ping.result() if ping else None,
            servers=tuple(servers),
            hosts=tuple(connections),
        )


def _connect(host: str, servers: Sequence[str]) -> Answer:
    name, _, port = host.rpartition(":")
    if not any(letter.isalpha() for letter in name):
        return reach.connect(host)
    answers = (name_query.ask(server, name) for server in servers)
    answer = next((candidate for candidate in answers if candidate.ok), None)
    return replace(reach.connect(f"{answer.said}:{port}"), target=host) if answer else Answer(host, "ENAME")


def name_servers(resolv_conf: str) -> list[str]:
    """Return the servers of a resolv.conf(5) text, in order; the C library uses only the first three."""
    lines = (line.split() for line in resolv_conf.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def _text(path: Path) -> str:
    """Return the text of a file, empty if it cannot be read, as on a kernel without IPv6."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _links() -> list[InnerLink]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp_socket:
        names = [name for _, name in socket.if_nameindex()]
        return [
            InnerLink(
                name, bool(_ask(udp_socket, _GET_FLAGS, name, "H") & _IFF_UP), _ask(udp_socket, _GET_MTU, name, "i")
            )
            for name in names
        ]


def _ask(udp_socket: socket.socket, request: int, name: str, kind: str) -> int:
    """Return a number from a `struct ifreq` (netdevice(7)); 0 for a link that has just been removed."""
    try:
        reply = fcntl.ioctl(udp_socket, request, struct.pack("16s24x", name.encode()))
    except OSError:
        return 0
    value: int = struct.unpack_from(kind, reply, 16)[0]
    return value


def _ipv6_open() -> list[str]:
    if not IPV6_CONF.is_dir():
        return []
    return sorted(path.name for path in IPV6_CONF.iterdir() if _text(path / "disable_ipv6").strip() == "0")


def main() -> None:
    """Examine the network and print the findings."""
    name, *hosts = sys.argv[1:]
    sys.stdout.buffer.write(encode(look(name, hosts)))


if __name__ == "__main__":
    main()
