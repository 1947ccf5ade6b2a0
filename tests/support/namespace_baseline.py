"""Two ways to make an IPv4-only namespace, the old recipe and speedmon, in a home network where both can be compared.

Both use the same names for namespace, links, subnet and `/usr/local/bin/ip4only`, so a question fits either.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import PIPE
from typing import TYPE_CHECKING

from home_network_with_services import HomeNetworkWithServices
from places import SUPPORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess

USER, STRANGER = "ann", "bob"

RECIPE_SCRIPT = (SUPPORT / "recipe.sh").read_text()

KILLED_SETUP_CODE = """
import os, signal
from netns import setup
from netns.plan import steps
from netns.spec import NamespaceSpec
def die(step):
    if isinstance(step, steps.SetLinkUp):
        os.kill(os.getpid(), signal.SIGKILL)
setup.set_up_namespace(NamespaceSpec(), on_step=die)
"""

# Replies to each caller with its address, until its own stdin ends.
SERVER_CODE = """
import select, socket, sys
server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
    with server.accept()[0] as client:
        client.sendall(client.getpeername()[0].removeprefix("::ffff:").encode())
"""

CLIENT_CODE = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 3) as line:
    print(line.recv(99).decode())
"""

LISTENER_CODE = """
import socket
with socket.socket(type=socket.SOCK_DGRAM) as listener:
    listener.bind(("", 9999))
    print("ready", flush=True)
    while (words := listener.recv(99)) != b"end":
        print(words.decode())
"""


@dataclass(frozen=True)
class NamespaceHome:
    """A home host with its neighbours, and a way to build the namespace on it."""

    home: HomeNetworkWithServices
    method: SetupMethod
    before: list[str]

    def inside(self, *argv: str, user: str = USER) -> CompletedProcess[str]:
        """Run a command in the namespace by the launcher, as an ordinary user; it may fail."""
        return self.home.run(["ip4only", *argv], user=user, check=False)

    def call(self, address: str, port: int) -> str:
        """Return the address of a program inside as a server sees it, "" if it cannot connect."""
        return self.inside("/usr/bin/python3", "-c", CLIENT_CODE, address, str(port)).stdout.strip()

    def call_from(self, where: str, address: str, port: int) -> str:
        """Return the same for a program at a neighbour's."""
        argv = ["ip", "netns", "exec", where, "python3", "-c", CLIENT_CODE, address, str(port)]
        return self.home.run(argv, check=False).stdout.strip()

    @contextmanager
    def serving(self, port: int, *where: str) -> Iterator[None]:
        """Serve on the home host or, behind `ip netns exec`, at a neighbour's."""
        with self.home.popen([*where, "python3", "-c", SERVER_CODE, str(port)], stdin=PIPE, stdout=PIPE) as server:
            assert server.stdout.readline() == "ready\n"
            yield
            server.stdin.close()

    def gets_through(self, sender: str, receiver: str, address: str) -> bool:
        """Return whether a neighbour's datagram arrives, which is certain once later packets are answered."""
        argv = ["ip", "netns", "exec", receiver, "python3", "-c", LISTENER_CODE]
        with self.home.popen(argv, stdout=PIPE) as listener:
            assert listener.stdout.readline() == "ready\n"
            self.home.shell(f"ip netns exec {sender} bash -c 'echo hello >/dev/udp/{address}/9999'", check=False)
            self.home.shell("ip netns exec isp ping -qc1 203.0.113.10; ip netns exec lan ping -qc1 10.50.0.1")
            self.home.shell("ping -qc1 203.0.113.1; ping -qc1 10.50.0.2; ping -qc1 -W1 192.168.200.2", check=False)
            self.home.shell(f"ip netns exec {receiver} bash -c 'echo -n end >/dev/udp/127.0.0.1/9999'")
            return "hello" in listener.communicate(timeout=120)[0]


@dataclass(frozen=True)
class SetupMethod:
    """How the namespace is made and removed on a home host."""

    name: str
    set_up: Callable[[HomeNetworkWithServices], CompletedProcess[str]]
    begin: Callable[[HomeNetworkWithServices], object]
    undo: Callable[[HomeNetworkWithServices], object]


def _run_recipe(home: HomeNetworkWithServices) -> CompletedProcess[str]:
    return home.shell(RECIPE_SCRIPT, check=False)


def _run_half_the_recipe(home: HomeNetworkWithServices) -> object:
    return home.shell(RECIPE_SCRIPT.partition("ip link set ip4only-root up")[0])


def _run_setup_netns(home: HomeNetworkWithServices) -> CompletedProcess[str]:
    return home.speedmon("setup-netns", "--user", USER, check=False)


SETUP_METHODS = (
    SetupMethod("the recipe", _run_recipe, _run_half_the_recipe, lambda home: home.shell("ip netns delete ip4only")),
    SetupMethod(
        "speedmon",
        _run_setup_netns,
        lambda home: home.run([sys.executable, "-c", KILLED_SETUP_CODE], check=False),
        lambda home: home.speedmon("teardown-netns"),
    ),
)


@contextmanager
def open_home(method: SetupMethod, prepare: str) -> Iterator[NamespaceHome]:
    """Yield a home network on which `prepare` was run, with nothing built yet."""
    with HomeNetworkWithServices() as home:
        home.add_user(USER, 4001)
        home.add_user(STRANGER, 4002)
        home.shell(prepare)
        yield NamespaceHome(home, method, home.snapshot())
