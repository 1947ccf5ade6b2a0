"""Set-up tries the name servers that it chose from inside, before it says that the namespace is ready."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from home_network import HomeNetwork

SERVER = """
import sys
from netns.lab.servers import bind_socket, serve_names
listener = bind_socket(sys.argv[1])
print("ready", flush=True)
serve_names(listener)
"""


def serve_names(home: HomeNetwork, address: str, prefix: str = "") -> None:
    """Start a name server at an address of the home, or of the namespace that the prefix enters."""
    home.path("/run/names.py").write_text(SERVER)
    home.shell(
        f"{prefix} {sys.executable} /run/names.py {address} >/run/names 2>&1 </dev/null &"
        " until grep -q ready /run/names; do sleep 0.05; done"
    )


@pytest.mark.root
def test_name_server_that_answers_only_the_host_is_no_name_server(home: HomeNetwork):
    """A server on loopback cannot be used inside, and the router that is guessed in its place does not answer."""
    home.shell("echo nameserver 127.0.0.53 >/etc/resolv.conf")
    serve_names(home, "127.0.0.53")
    done = home.speedmon("setup-netns", "--no-launcher", check=False)
    assert done.returncode == 5
    assert "no name server answers in it: 203.0.113.1" in done.stderr
    assert "namespace.dns" in done.stderr
    assert "ready" not in done.stdout
    assert home.speedmon("setup-netns", "--no-launcher", check=False).returncode == 5


@pytest.mark.root
def test_guess_that_does_not_answer_is_named(home: HomeNetwork):
    """Where the host names no server, and none answers it either, the router was only a guess."""
    home.shell(": >/etc/resolv.conf")
    done = home.speedmon("setup-netns", "--no-launcher")
    assert "note: this host names no IPv4 name server, and the router 203.0.113.1 was tried" in done.stderr


@pytest.mark.root
def test_copy_follows_the_hosts_name_servers(home: HomeNetwork):
    """After DHCP gave another server, set-up copies and tries that one."""
    home.speedmon("setup-netns", "--no-launcher", "-q")
    serve_names(home, "203.0.113.1", "ip netns exec isp")
    home.shell("echo nameserver 203.0.113.1 >/etc/resolv.conf")
    done = home.speedmon("setup-netns", "--no-launcher", "-q")
    assert done.stderr == ""
    assert "nameserver 203.0.113.1\n" in home.path("/etc/netns/ip4only/resolv.conf").read_text()
