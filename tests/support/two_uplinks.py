"""A home host with a second ISP at eth2; a server behind both replies to each caller with its address."""

from __future__ import annotations

import subprocess
import sys

from home_network import HomeNetwork

SERVER = "198.18.0.1"
FIRST_ADDRESS, SECOND_ADDRESS = "203.0.113.10", "192.0.2.10"
SECOND_DEFAULT_ROUTE = "ip route add default via 192.0.2.1 dev eth2 metric 200"
BUILD_SCRIPT = f"""
set -e
for name in isp2 net; do ip netns add $name; ip -n $name link set lo up; done
ip link add eth2 type veth peer name far netns isp2
ip link add eth0 netns net type veth peer name net netns isp
ip link add eth1 netns net type veth peer name net netns isp2
for end in isp:far isp:net isp2:far isp2:net net:eth0 net:eth1; do
    ip -n ${{end%:*}} link set ${{end#*:}} addrgenmode none
    ip -n ${{end%:*}} link set ${{end#*:}} up
done
ip link set eth2 addrgenmode none; ip link set eth2 up; ip address add {SECOND_ADDRESS}/24 dev eth2
ip -n isp2 address add 192.0.2.1/24 dev far
ip -n isp address add 10.1.0.1/24 dev net; ip -n net address add 10.1.0.2/24 dev eth0
ip -n isp2 address add 10.2.0.1/24 dev net; ip -n net address add 10.2.0.2/24 dev eth1
ip -n net address add {SERVER}/32 dev lo
ip -n net route add 203.0.113.0/24 via 10.1.0.1; ip -n net route add 192.0.2.0/24 via 10.2.0.1
ip -n isp route add {SERVER} via 10.1.0.2; ip -n isp2 route add {SERVER} via 10.2.0.2
for name in isp isp2; do ip netns exec $name sysctl -qw net.ipv4.ip_forward=1; done
sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1
for link in eth0 eth1 eth2; do sysctl -qw net.ipv4.conf.$link.rp_filter=1; done
for name in isp isp2; do ip netns exec $name nft '
    add table ip seen; add counter ip seen got; add chain ip seen first {{ type filter hook prerouting priority -300; }}
    add rule ip seen first iifname far counter name got'; done
{SECOND_DEFAULT_ROUTE}
"""

# Replies with the caller's address, or with as many bytes as requested, or after "+" with the number of bytes received.
SERVER_CODE = f"""
import socket, threading
server = socket.create_server(("{SERVER}", 8080))
print("ready", flush=True)

def serve(client, address):
    with client:
        heard = client.makefile("rb")
        wanted = heard.readline().strip()
        if wanted.startswith(b"+"):
            client.sendall(str(len(heard.read())).encode())
        else:
            client.sendall(bytes(int(wanted)) if wanted else address[0].encode())

while True:
    threading.Thread(target=serve, args=server.accept(), daemon=True).start()
"""

CLIENT_CODE = f"""
import socket, sys
with socket.create_connection(("{SERVER}", 8080), 5) as line:
    line.sendall(sys.argv[1].encode() + b"\\n")
    if sys.argv[1].startswith("+"):
        line.sendall(bytes(int(sys.argv[1])))
        line.shutdown(socket.SHUT_WR)
    heard = line.makefile("rb").read()
print(len(heard) if sys.argv[1].isdigit() else heard.decode())
"""


class TwoUplinks(HomeNetwork):
    """The home host with two lines; the first, eth0, has the better metric. Both have strict reverse-path filters."""

    def __init__(self) -> None:
        super().__init__()
        self.shell(BUILD_SCRIPT)
        serve = ["ip", "netns", "exec", "net", sys.executable, "-c", SERVER_CODE]
        self._server = self.popen(serve, stdout=subprocess.PIPE)
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "ready\n"

    def close(self) -> None:
        """End the machine, which ends the server, and reap it."""
        super().close()
        with self._server:
            pass

    def set_up(self, *arguments: str) -> str:
        """Set up without the launcher; return the output."""
        return self.speedmon("setup-netns", "--no-launcher", *arguments).stdout

    def address_seen(self, name: str = "ip4only") -> str:
        """Return the address of a caller in the namespace as the server sees it, or the caller's error."""
        return self._call(name, "")

    def count_fetched(self, size: int, name: str = "ip4only") -> str:
        """Return how many of `size` bytes a caller in the namespace receives, or its error."""
        return self._call(name, str(size))

    def count_sent(self, size: int, name: str = "ip4only") -> str:
        """Return how many of `size` bytes from a caller in the namespace the server receives, or the caller's error."""
        return self._call(name, f"+{size}")

    def _call(self, name: str, wanted: str) -> str:
        done = self.run(["ip", "netns", "exec", name, sys.executable, "-c", CLIENT_CODE, wanted], check=False)
        return (done.stdout or done.stderr.splitlines()[-1]).strip()

    def count_arrived(self, isp: str) -> int:
        """Return how many IPv4 packets an ISP has received from the home host."""
        return int(self.shell(f"ip netns exec {isp} nft list counter ip seen got").stdout.split()[8])
