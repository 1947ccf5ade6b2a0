"""Two ways to make an IPv4-only namespace, the old recipe and speedmon, in a home network where both can be compared.

Both use the same names for namespace, links, subnet and `/usr/local/bin/ip4only`, so a question fits either.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

from served_street import ServedStreet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess

USER, STRANGER = "ann", "bob"
RECIPE = Path(__file__).with_name("recipe.sh").read_text()
DIES_HALFWAY = """
import os, signal
from netns import setup, steps
from netns.model import NamespaceSpec
def die(step):
    if isinstance(step, steps.SetLinkUp):
        os.kill(os.getpid(), signal.SIGKILL)
setup.setup(NamespaceSpec(), on_step=die)
"""
# Replies to each caller with its address, until its own stdin ends.
TELL = """
import select, socket, sys
server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
    with server.accept()[0] as client:
        client.sendall(client.getpeername()[0].removeprefix("::ffff:").encode())
"""
CALL = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 3) as line:
    print(line.recv(99).decode())
"""
COLLECT = """
import socket
with socket.socket(type=socket.SOCK_DGRAM) as listener:
    listener.bind(("", 9999))
    print("ready", flush=True)
    while (words := listener.recv(99)) != b"end":
        print(words.decode())
"""


@dataclass(frozen=True)
class Home:
    """A home host with its neighbours, and a way to build the namespace on it."""

    street: ServedStreet
    way: Way
    before: list[str]

    def inside(self, *argv: str, user: str = USER) -> CompletedProcess[str]:
        """Run a command in the namespace by the launcher, as an ordinary user; it may fail."""
        return self.street.run(["ip4only", *argv], user=user, check=False)

    def call(self, address: str, port: int) -> str:
        """Return the address of a program inside as a server sees it, "" if it cannot connect."""
        return self.inside("/usr/bin/python3", "-c", CALL, address, str(port)).stdout.strip()

    def call_from(self, where: str, address: str, port: int) -> str:
        """Return the same for a program at a neighbour's."""
        argv = ["ip", "netns", "exec", where, "python3", "-c", CALL, address, str(port)]
        return self.street.run(argv, check=False).stdout.strip()

    @contextmanager
    def serving(self, port: int, *where: str) -> Iterator[None]:
        """Serve on the home host or, behind `ip netns exec`, at a neighbour's."""
        with self.street.popen([*where, "python3", "-c", TELL, str(port)], stdin=PIPE, stdout=PIPE) as server:
            assert server.stdout.readline() == "ready\n"
            yield
            server.stdin.close()

    def gets_through(self, sender: str, receiver: str, address: str) -> bool:
        """Return whether a neighbour's datagram arrives, which is certain once later packets are answered."""
        argv = ["ip", "netns", "exec", receiver, "python3", "-c", COLLECT]
        with self.street.popen(argv, stdout=PIPE) as listener:
            assert listener.stdout.readline() == "ready\n"
            self.street.shell(f"ip netns exec {sender} bash -c 'echo hello >/dev/udp/{address}/9999'", check=False)
            self.street.shell("ip netns exec isp ping -qc1 203.0.113.10; ip netns exec lan ping -qc1 10.50.0.1")
            self.street.shell("ping -qc1 203.0.113.1; ping -qc1 10.50.0.2; ping -qc1 -W1 192.168.200.2", check=False)
            self.street.shell(f"ip netns exec {receiver} bash -c 'echo -n end >/dev/udp/127.0.0.1/9999'")
            return "hello" in listener.communicate(timeout=30)[0]


@dataclass(frozen=True)
class Way:
    """How the namespace is made and removed on a home host."""

    name: str
    set_up: Callable[[ServedStreet], CompletedProcess[str]]
    begin: Callable[[ServedStreet], object]
    undo: Callable[[ServedStreet], object]


def _recipe(street: ServedStreet) -> CompletedProcess[str]:
    return street.shell(RECIPE, check=False)


def _half_a_recipe(street: ServedStreet) -> object:
    return street.shell(RECIPE.partition("ip link set ip4only-root up")[0])


def _setup_netns(street: ServedStreet) -> CompletedProcess[str]:
    return street.speedmon("setup-netns", "--user", USER, check=False)


WAYS = (
    Way("the recipe", _recipe, _half_a_recipe, lambda street: street.shell("ip netns delete ip4only")),
    Way(
        "speedmon",
        _setup_netns,
        lambda street: street.run([sys.executable, "-c", DIES_HALFWAY], check=False),
        lambda street: street.speedmon("teardown-netns"),
    ),
)


@contextmanager
def home(way: Way, prepare: str) -> Iterator[Home]:
    """Yield a street on which `prepare` was run, with nothing built yet."""
    with ServedStreet() as street:
        street.add_user(USER, 4001)
        street.add_user(STRANGER, 4002)
        street.shell(prepare)
        yield Home(street, way, street.snapshot())
