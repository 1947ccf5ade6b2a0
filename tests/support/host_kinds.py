"""The kinds of hosts that the namespace must work on, each a row of `HOSTS`: how the home network is prepared for it.

To add one, add a row. tests/system/test_hosts.py asks the same questions of every host; what else is special about a
host is for a test of its own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, NamedTuple

import firewalld
import msgspec
import pytest
from home_network import SPEEDMON, HomeNetwork
from home_network_without_nft import hide_all_but
from places import DATA

from monitor.check.model import CheckResult
from netns.spec import NamespaceSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from _pytest.mark import ParameterSet

IS_ROOT = os.geteuid() == 0
MEMBER = "member"

RULES_DIRECTORY = DATA / "firewalls"

SERVED_NAME = "www.speedtest.net"


class Neighbour(NamedTuple):
    """A neighbour: the link to it, its namespace and address, the host's address there, and who answers for names."""

    link: str
    netns: str
    far: str
    own: str
    names: str


ISP = Neighbour("eth0", "isp", "203.0.113.1", "203.0.113.10", "203.0.113.53")

LAN = Neighbour("eth1", "lan", "10.50.0.2", "10.50.0.1", "10.50.0.2")


@dataclass(frozen=True)
class HostKind:
    """A kind of host.

    Attributes:
        prepare: the script that turns the home host into this kind; its result is what teardown must restore.
        arguments: the arguments of set-up.
        earlier: a script for the state at a first set-up, after which it is prepared and set up once more.
        uplink: the neighbour that its default route finally leads to.
        name_server: whether it is its own name server, at its address in the LAN.
        service: a service that runs on it during the test.
        settle: a script to run before traces are compared.
        needs_root: this kind cannot be prepared in a user namespace.
    """

    prepare: str = "true"
    arguments: tuple[str, ...] = ()
    earlier: str = ""
    uplink: Neighbour = ISP
    name_server: bool = False
    service: Callable[[HomeNetwork], AbstractContextManager[None]] = contextlib.nullcontext
    settle: str = "true"
    needs_root: bool = False

    @property
    def aside(self) -> Neighbour:
        """The neighbour that is not at the uplink."""
        return LAN if self.uplink is ISP else ISP


IPTABLES_NFT, IPTABLES_LEGACY = "iptables-nft -P FORWARD DROP", "iptables-legacy -P FORWARD DROP"
FORWARDS = "sysctl -qw net.ipv4.ip_forward=1"
DOCKER = f"iptables-nft-restore {RULES_DIRECTORY}/docker-bridge.rules; {FORWARDS}"
STUB = """
mkdir -p /run/systemd/resolve; cp /etc/resolv.conf /run/systemd/resolve/resolv.conf
echo 'nameserver 127.0.0.53' > /etc/resolv.conf
"""

DEFAULT_ROUTE_BY_LAN = f"ip route replace default via {LAN.far}; echo 'nameserver {LAN.far}' > /etc/resolv.conf"
OWN_NAME_SERVER = f"echo 'nameserver {LAN.own}' > /etc/resolv.conf"
CLOSED_INPUT = "iptables-nft -P INPUT DROP; iptables-nft -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT"

SECOND_DEFAULT_ROUTE = (
    f"ip route add default via {LAN.far} dev eth1 metric 200; echo 'nameserver {LAN.far}' > /etc/resolv.conf"
)

OTHER_SUBNET = ("--subnet", "192.168.201.0/24")

HOSTS = {
    "bare": HostKind(),
    "iptables-nft": HostKind(IPTABLES_NFT),
    "iptables-legacy": HostKind(IPTABLES_LEGACY, needs_root=True),
    "Docker without its bridge": HostKind(f"iptables-nft-restore {RULES_DIRECTORY}/dockerd.rules; {FORWARDS}"),
    "Docker": HostKind(DOCKER),
    "ufw": HostKind("ufw --force enable", needs_root=True),
    "firewalld": HostKind(service=firewalld.run_firewalld, settle="firewall-cmd --reload", needs_root=True),
    "a stub resolver": HostKind(STUB),
    "a name server of its own": HostKind(f"{OWN_NAME_SERVER}; {CLOSED_INPUT}", name_server=True),
    "an uplink that changes": HostKind(
        DEFAULT_ROUTE_BY_LAN, earlier=f"ip route replace default via {ISP.far}", uplink=LAN
    ),
    "a colliding subnet": HostKind("ip address add 192.168.200.77/25 dev eth1", arguments=OTHER_SUBNET),
    "two uplinks": HostKind(SECOND_DEFAULT_ROUTE, arguments=("--uplink", "eth1"), uplink=LAN),
    "only iptables-nft": HostKind(f"{hide_all_but('nft')}; iptables -P FORWARD DROP"),
    "only iptables-legacy": HostKind(f"{hide_all_but('legacy')}; iptables -P FORWARD DROP", needs_root=True),
    "no default route": HostKind("ip route delete default", arguments=("--uplink", "eth0", "--router", ISP.far)),
}

# The other end of a transfer, until its input ends: sends back what it receives, behind the address it came from. It
# also answers DNS queries.
SERVER_CODE = """
import dns.name, dns.rdatatype, socket, sys, threading
from netns.lab import servers
zone = {dns.name.from_text(sys.argv[1]): {dns.rdatatype.A: sys.argv[2]}}
asked, echo = servers.bind_socket(sys.argv[3]), socket.create_server(("", 8080))

def answer():
    while True:
        query, sender = asked.recvfrom(4096)
        asked.sendto(servers.answer_query(query, zone), sender)

def send_back():
    while True:
        client, (address, _) = echo.accept()
        with client:
            got = b"".join(iter(lambda: client.recv(65536), b""))
            client.sendall(address.encode() + b" " + got)

for task in (answer, send_back):
    threading.Thread(target=task, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


class FurnishedHost(HomeNetwork):
    """A home network whose host is of one kind and set up, with a far end that answers and a user in the group."""

    def __init__(self, host: HostKind) -> None:
        super().__init__()
        self.host = host
        self.set_up_output = ""
        self.traces_before: list[str] = []

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """Prepare it, set it up, and serve at the far end, for the block."""
        self.shell(f"ip -n isp address add {ISP.names}/24 dev far; ip -n isp route replace {self.subnet} via {ISP.own}")
        if IS_ROOT:
            self.add_user(MEMBER, 4001)
        with contextlib.ExitStack() as running:
            running.enter_context(self.host.service(self))
            self.shell(self.host.prepare)
            self.traces_before = self.take_traces()
            if self.host.earlier:
                self.shell(self.host.earlier)
                self.set_up()
                self.shell(self.host.prepare)
            self.set_up_output = self.set_up()
            running.enter_context(self.serving(self.host.uplink.names, "ip", "netns", "exec", self.host.uplink.netns))
            if self.host.name_server:
                running.enter_context(self.serving(LAN.own))
            yield

    def set_up(self) -> str:
        """Set up as a user of this host would, with a launcher for the member if the test runs as root."""
        more = ("--user", MEMBER) if IS_ROOT else ("--no-launcher",)
        return self.speedmon("setup-netns", *self.host.arguments, *more).stdout

    def inside(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the namespace: as root, through the launcher as the unprivileged member."""
        if IS_ROOT:
            return self.run(["ip4only", *argv], user=MEMBER, check=check)
        return self.speedmon("exec", "--", *argv, check=check)

    @property
    def subnet(self) -> IPv4Network:
        """The network of the namespace."""
        return IPv4Network(self.host.arguments[1]) if "--subnet" in self.host.arguments else NamespaceSpec().subnet

    def failing_checks(self) -> list[str]:
        """Return the lines of `speedmon check` that fail, the one about other firewalls included."""
        settings = {
            "DATABASE_URL": "sqlite:////run/speedmon.db",
            "CHECK__HOSTS": f"{self.host.uplink.far}:8080",
            "CHECK__NAME": SERVED_NAME,
            "NAMESPACE__SUBNET": str(self.subnet),
            "NAMESPACE__UPLINK": self.host.uplink.link,
        }
        environ = {"PATH": os.environ["PATH"]} | {f"SPEEDMON_{key}": value for key, value in settings.items()}
        done = self.run([SPEEDMON, "check", "--json"], check=False, env=environ)
        lines = msgspec.json.decode(done.stdout, type=list[CheckResult])
        return [
            f"{line.name}: {line.message}" for line in lines if line.fails or (line.name, line.ok) == ("beside", False)
        ]

    def take_traces(self) -> list[str]:
        """Return everything that a teardown must restore, without the zone copy that firewalld keeps."""
        self.shell(self.host.settle)
        return [line for line in self.snapshot() if firewalld.OWN_COPY not in line]

    @contextlib.contextmanager
    def serving(self, names: str, *where: str) -> Iterator[None]:
        """Serve at the far end or, without `where`, on the host itself; `names` is where names are asked."""
        argv = [*where, sys.executable, "-c", SERVER_CODE, SERVED_NAME, self.host.uplink.far, names]
        with self.popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            yield


def host_parameters() -> list[ParameterSet]:
    """Return the hosts as parameters of a fixture."""
    marks = {name: [pytest.mark.root] if host.needs_root else [] for name, host in HOSTS.items()}
    return [pytest.param(host, id=name, marks=marks[name]) for name, host in HOSTS.items()]
