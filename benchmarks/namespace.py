"""Throughput inside the namespace against outside, one TCP stream each way, and what set-up costs; no internet.

    python benchmarks/namespace.py [ROUNDS]

The budget says that inside is at least 0.97 of outside. The far end is another namespace of a private world.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from pairs import in_turn, milliseconds
from street import Street

SERVER = """
import socket, threading
def serve(connection):
    block = bytes(1 << 20)
    if connection.recv(1) == b"d":
        try:
            while True: connection.sendall(block)
        except OSError: pass
    else:
        view = memoryview(bytearray(1 << 20))
        while connection.recv_into(view): pass
listener = socket.create_server(("", 8080))
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
CLIENT = """
import socket, sys, time
line = socket.create_connection(("203.0.113.1", 8080), 5)
line.sendall(sys.argv[1].encode())
view, block, moved, begin = memoryview(bytearray(1 << 20)), bytes(1 << 20), 0, time.perf_counter()
while time.perf_counter() - begin < 2:
    moved += line.recv_into(view) if sys.argv[1] == "d" else line.send(block)
print(moved * 8 / (time.perf_counter() - begin))
"""
BYHAND = """
ip netns add hand; ip link add hand0 type veth peer name hand1; ip link set hand1 netns hand
ip address add 192.168.250.1/24 dev hand0; ip link set hand0 up
ip -n hand address add 192.168.250.2/24 dev hand1; ip -n hand link set hand1 up; ip -n hand link set lo up
ip -n hand route add default via 192.168.250.1; iptables -t nat -A POSTROUTING -s 192.168.250.0/24 -j MASQUERADE
ip netns delete hand; iptables -t nat -F; ip link delete hand0 2>/dev/null || true
"""


def main(rounds: int) -> None:
    """Print the figures."""
    with Street() as street:
        far = street.popen(["ip", "netns", "exec", "isp", sys.executable, "-c", SERVER], stdout=-1)
        assert far.stdout is not None
        far.stdout.readline()
        street.speedmon("setup-netns", "--no-launcher")
        for way, name in (("d", "download"), ("u", "upload")):
            inside = [*("ip", "netns", "exec", "ip4only"), sys.executable, "-c", CLIENT, way]
            outside = [sys.executable, "-c", CLIENT, way]
            rates = in_turn(
                lambda inside=inside: float(street.run(inside).stdout) / 1e9,  # type: ignore[misc]
                lambda outside=outside: float(street.run(outside).stdout) / 1e9,  # type: ignore[misc]
                rounds,
            )
            print(f"{name}, Gbit/s inside against outside: {rates}")
        far.kill()
        again = milliseconds(lambda: street.speedmon("setup-netns", "--no-launcher", "-q"))
        recipe = milliseconds(lambda: street.shell(BYHAND))
        print(f"second setup-netns against the recipe by hand and back, ms: {in_turn(again, recipe, rounds)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
