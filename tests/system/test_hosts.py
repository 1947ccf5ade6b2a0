"""The same questions to each kind of host: what passes, what must not, and what is left afterwards.

A host is made once and all questions are put to it, in the order of this file; the last one tears it down.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from home_network import HomeNetwork
from host_kinds import SERVED_NAME, FurnishedHost, host_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

# Sends four megabytes there and back; prints the address that the far end saw.
TRANSFER = """
import os, socket, sys
sent = os.urandom(4 << 20)
with socket.create_connection((sys.argv[1], 8080), 30) as line:
    line.sendall(sent)
    line.shutdown(socket.SHUT_WR)
    caller, _, back = b"".join(iter(lambda: line.recv(65536), b"")).partition(b" ")
print(caller.decode(), back == sent)
"""

# Prints the error of a connection over IPv6, and the addresses and routes of IPv6.
IPV6 = """
import errno, socket, subprocess
with socket.socket(socket.AF_INET6) as caller:
    caller.setblocking(False)
    print(errno.errorcode.get(caller.connect_ex(("2001:db8::1", 8080))), flush=True)
subprocess.run("ip -6 -o address; ip -6 route show table all", shell=True, check=True)
"""

# Prints the result of a connection to each address. Nobody need listen there: a refusal says that the packet arrived.
KNOCK = """
import concurrent.futures, errno, socket, sys

def knock(address):
    with socket.socket() as caller:
        caller.settimeout(1)
        try:
            return errno.errorcode.get(caller.connect_ex((address, 8081)), "open")
        except TimeoutError:
            return "EAGAIN"

with concurrent.futures.ThreadPoolExecutor() as pool:
    print(*pool.map(knock, sys.argv[1:]))
"""

SHUT = {"EAGAIN", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"}

# Sends datagrams that want no answer.
ONE_WAY = """
import socket, sys
with socket.socket(type=socket.SOCK_DGRAM) as sender:
    for address in sys.argv[1:] * 3:
        sender.sendto(b"", (address, 9))
"""

# How many datagrams came to each. What the host sends itself arrives behind all that it has forwarded.
ARRIVED = """
for address in {addresses}; do ping -qc1 -W5 $address >/dev/null; done
for netns in {names}; do ip netns exec $netns awk '/^Udp: [0-9]/ {{print $2 + $3}}' /proc/net/snmp; done
"""


@pytest.fixture(scope="module", params=host_parameters())
def home(request: pytest.FixtureRequest) -> Iterator[FurnishedHost]:
    """Yield a host of each kind, set up."""
    with FurnishedHost(request.param) as host, host.prepared():
        yield host


def strangers(home: HomeNetwork, line: str, aside: str, inner: str) -> list[str]:
    """Return what a neighbour at the line or aside reached behind the host, by a connection or one-way datagrams."""
    far = {"isp": "203.0.113.1", "lan": "10.50.0.2", "ip4only": inner}
    count = ARRIVED.format(addresses=" ".join(far.values()), names=" ".join(far))
    before = home.shell(count).stdout.split()
    with ThreadPoolExecutor() as pool:
        ways = {line: (aside, "ip4only"), aside: (line, "ip4only")}
        results = pool.map(lambda who: knocked(home, who, {name: far[name] for name in ways[who]}), ways)
        reached = [target for ways in results for target in ways]
    after = home.shell(count).stdout.split()
    return reached + [f"a datagram to {to}" for to, old, new in zip(far, before, after, strict=True) if old != new]


def knocked(home: HomeNetwork, who: str, whom: dict[str, str]) -> list[str]:
    """Return where a neighbour's connections got through."""
    code = f"{ONE_WAY}\n{KNOCK}"
    answers = home.run(["ip", "netns", "exec", who, "python3", "-c", code, *whom.values()]).stdout.split()
    return [f"{who} to {to}" for to, word in zip(whom, answers, strict=True) if word not in SHUT]


def test_set_up_twice_is_set_up_once(home: FurnishedHost):
    """The first call makes all of it ready, a second one changes nothing."""
    assert "is ready" in home.set_up_output
    before = home.snapshot()
    assert "nothing changed" in home.set_up()
    assert home.snapshot() == before


def test_user_without_privilege_transfers_both_ways(home: FurnishedHost):
    """Four megabytes go to the far end and come back unharmed, and it sees the address of the line."""
    assert home.inside("python3", "-c", TRANSFER, home.host.uplink.far).stdout == f"{home.host.uplink.own} True\n"


def test_names_and_ping_work(home: FurnishedHost):
    """A program of the C library finds an address by name, and ping reaches it without any privilege."""
    assert f"PING {SERVED_NAME} ({home.host.uplink.far})" in home.inside("ping", "-c1", "-W5", SERVED_NAME).stdout


def test_ipv6_is_out(home: FurnishedHost):
    """Inside, IPv6 is the loopback address and nothing else, and a connection is refused at once."""
    error, *others = home.inside("python3", "-c", IPV6).stdout.splitlines()
    assert error == "ENETUNREACH"
    assert all("::1" in line and "lo" in line for line in others)


def test_strangers_stay_out(home: FurnishedHost):
    """Neither neighbour gets to the namespace or through the host to the other, not even with one-way datagrams."""
    assert strangers(home, home.host.uplink.netns, home.host.aside.netns, str(home.subnet[2])) == []


def test_the_host_and_its_lan_are_out_of_reach_inside(home: FurnishedHost):
    """No connection from inside gets to any address of the host, or to what is behind another link of it."""
    targets = (str(home.subnet[1]), home.host.uplink.own, home.host.aside.own, home.host.aside.far)
    assert set(home.inside("python3", "-c", KNOCK, *targets).stdout.split()) <= SHUT


def test_check_agrees(home: FurnishedHost):
    """`speedmon check` finds nothing that spoils a test."""
    assert home.failing_checks() == []


def test_teardown_leaves_no_trace(home: FurnishedHost):
    """Rules, links, addresses, routes, settings, files and groups are what they were before set-up."""
    home.speedmon("teardown-netns")
    assert home.take_traces() == home.traces_before


def test_an_open_router_would_be_noticed():
    """On a host that forwards for everybody, as `ip_forward=1` alone makes it, the same attempts succeed."""
    with HomeNetwork() as home:
        home.speedmon("setup-netns", "--no-launcher")
        home.shell("nft delete table inet speedmon; ip rule delete priority 4900; sysctl -qw net.ipv4.ip_forward=1")
        ways = ("isp to lan", "isp to ip4only", "lan to isp", "lan to ip4only")
        datagrams = (f"a datagram to {to}" for to in ("isp", "lan", "ip4only"))
        assert strangers(home, "isp", "lan", "192.168.200.2") == [*ways, *datagrams]
