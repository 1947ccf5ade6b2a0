"""A home network whose host has iptables of one kind and no nft: the other programs are hidden from every program."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from home_network import HomeNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDE_SCRIPT = """
touch /run/hidden
for tool in TOOLS; do mount --bind /run/hidden /usr/sbin/$tool; done
for what in '' -save -restore; do for command in iptables ip6tables; do
    ln -sf /usr/sbin/$command-KIND$what /etc/alternatives/$command$what
done; done
"""

# Listing the tables creates those of legacy iptables and the chains of the other kind, which are never removed.
MAKE_TABLES_SCRIPT = """
for table in filter nat mangle; do
    iptables -t $table -N made; iptables -t $table -X made; ip6tables -t $table -N made; ip6tables -t $table -X made
done
"""

SAVE_SCRIPT = "{ iptables-save; ip6tables-save; } | sed -E '/^#/d; s/\\[[0-9:]+\\]//'"

SERVER_CODE = """
import socket
server = socket.create_server(('', 8080))
print('ready', flush=True)
while True:
    client, _ = server.accept()
    with client:
        client.sendall(bytes(1_000_000))
"""

CLIENT_CODE = """
import socket, sys
with socket.create_connection((sys.argv[1], 8080), 3) as line:
    print(sum(len(part) for part in iter(lambda: line.recv(65536), b'')))
"""


def hide_all_but(kind: str, *, both: bool = False) -> str:
    """Return the script that leaves a host iptables of one kind and no nft; `both` leaves the other kind as well."""
    other = "nft" if kind == "legacy" else "legacy"
    tools = ["nft", *([] if both else [f"xtables-{other}-multi"])]
    return (HIDE_SCRIPT.replace("TOOLS", " ".join(tools)).replace("KIND", kind) + MAKE_TABLES_SCRIPT).rstrip()


class HomeNetworkWithoutNft(HomeNetwork):
    """The host has only iptables of `kind`, "nft" or "legacy"; `both` leaves the other kind there too."""

    def __init__(self, kind: str, *, both: bool = False) -> None:
        super().__init__()
        self.shell(hide_all_but(kind, both=both))

    def save_rules(self) -> list[str]:
        """Return the rules of iptables and ip6tables, without what they have counted."""
        return self.shell(SAVE_SCRIPT).stdout.splitlines()

    def count_packets(self, text: str) -> int:
        """Return how many packets the rules whose text contains `text` have counted."""
        lines = self.shell("iptables-save -c; ip6tables-save -c").stdout.splitlines()
        return sum(int(line[1:].partition(":")[0]) for line in lines if line.startswith("[") and text in line)

    def snapshot(self) -> list[str]:
        """Return everything that a set-up could change, as lines."""
        return [*super().snapshot(), *self.save_rules()]


@contextlib.contextmanager
def serve_on(home: HomeNetwork, *where: str) -> Iterator[None]:
    """Serve on port 8080 of a neighbour, or of the host itself."""
    with home.popen([*where, "python3", "-c", SERVER_CODE], stdout=-1) as server:
        assert server.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            server.kill()


def find_reached(home: HomeNetwork) -> str:
    """Return which neighbour's ping got an answer: from the ISP inside and to the LAN, from the LAN inside and out."""
    tries = (("isp", "192.168.200.2"), ("isp", "10.50.0.2"), ("lan", "192.168.200.2"), ("lan", "203.0.113.1"))
    pings = (f"{{ ip netns exec {who} ping -qc1 -W1 {to} >/dev/null && echo {who} {to}; }} &" for who, to in tries)
    return home.shell("\n".join([*pings, "wait"])).stdout
