"""The namespace compared with the host outside it, and set-up with the recipe by hand; needs no internet.

    python benchmarks/namespace.py [ROUNDS]

The budget: with one stream, at least 0.97 of the throughput outside; a first set-up takes at most 4 times as long as
the recipe, and a second one less than the first. Each set-up is a fresh process, with the start of Python and imports,
once without and once with a launcher that both compile. The far end is another namespace, over a line of 1 Gbit/s and
without a limit; then only the processor limits throughput, and each packet costs one more link, NAT and our rules. Each
figure is a median with its range, each ratio that of the pairs.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from home_network import HomeNetwork
from pairs import in_turn, milliseconds
from tools import MACHINE, need

from netns.launcher.install import compiler_command, find_compiler

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = """
import socket, threading
def serve(connection):
    block = bytes(1 << 20)
    way = connection.recv(1)
    try:
        if way == b"d":
            while True: connection.sendall(block)
        view = memoryview(bytearray(1 << 20))
        while connection.recv_into(view): pass
    except OSError: pass
listener = socket.create_server(("", 8080), backlog=512)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

# The sum of the streams, each a process, in Gbit/s over 1 s.
CLIENT = """
import os, socket, sys, time
way, streams = sys.argv[1], int(sys.argv[2])
for _ in range(streams):
    if os.fork() == 0:
        line = socket.create_connection(("203.0.113.1", 8080), 5)
        line.sendall(way.encode())
        view, block, moved, begin = memoryview(bytearray(1 << 20)), bytes(1 << 20), 0, time.perf_counter()
        while time.perf_counter() - begin < 1:
            moved += line.recv_into(view) if way == "d" else line.send(block)
        os.write(1, f"{moved * 8e-9 / (time.perf_counter() - begin)}\\n".encode())
        os._exit(0)
while streams: streams -= 1; os.wait()
"""

# The median of 300 connections, in us.
CONNECT = """
import socket, statistics, time
taken = []
for _ in range(300):
    begin = time.perf_counter()
    line = socket.create_connection(("203.0.113.1", 8080), 5)
    taken.append((time.perf_counter() - begin) * 1e6)
    line.close()
print(statistics.median(taken))
"""

RECIPE = """
ip netns add hand
ip link add hand0 type veth peer name hand1
ip link set hand1 netns hand
ip address add 192.168.250.1/24 dev hand0
ip link set hand0 up
ip -n hand address add 192.168.250.2/24 dev hand1
ip -n hand link set hand1 up
ip -n hand route add default via 192.168.250.1
iptables -t nat -A POSTROUTING -s 192.168.250.0/24 -j MASQUERADE
sysctl -qw net.ipv4.conf.eth1.forwarding=1
"""

UNDO = """
rm -f /usr/local/bin/hand
ip link delete hand0
ip netns delete hand
iptables -t nat -F
sysctl -qw net.ipv4.conf.eth1.forwarding=0
"""

LAUNCHER = Path("/usr/local/bin/hand")

LINE = """
tc qdisc replace dev eth0 root tbf rate 1gbit burst 1mb latency 50ms
tc -n isp qdisc replace dev far root tbf rate 1gbit burst 1mb latency 50ms
"""

NO_LINE = "tc qdisc delete dev eth0 root; tc -n isp qdisc delete dev far root"

SET_UP = ("setup-netns", "-q")

BARE = (*SET_UP, "--no-launcher")

INSIDE = ("ip", "netns", "exec", "ip4only")


def main(rounds: int) -> None:
    """Print the figures."""
    with HomeNetwork() as home:
        _costs(home, rounds, RECIPE, BARE, "without a launcher")
        _costs(home, rounds, RECIPE + _launcher_by_hand(), SET_UP, "with one")
        far = home.popen(["ip", "netns", "exec", "isp", sys.executable, "-c", SERVER], stdout=-1)
        assert far.stdout is not None
        far.stdout.readline()
        home.speedmon(*BARE)
        _latency(home, rounds)
        home.shell(LINE)
        _rates(home, rounds, "1 Gbit/s")
        home.shell(NO_LINE)
        _rates(home, rounds, "no line")
        far.kill()


def _costs(home: HomeNetwork, rounds: int, recipe: str, argv: tuple[str, ...], what: str) -> None:
    by_hand = _undone(milliseconds(lambda: home.shell(recipe)), lambda: home.shell(UNDO))
    first = _undone(milliseconds(lambda: home.speedmon(*argv)), lambda: home.speedmon("teardown-netns", "-q"))
    print(f"{what}, first setup-netns against the recipe by hand, ms: {in_turn(first, by_hand, rounds)}")
    home.speedmon(*argv)
    again = milliseconds(lambda: home.speedmon(*argv))
    print(f"{what}, second setup-netns against the recipe by hand, ms: {in_turn(again, by_hand, rounds)}")
    home.speedmon("teardown-netns", "-q")


def _launcher_by_hand() -> str:
    """Return the recipe that compiles a launcher, with the same compiler and flags."""
    compiler = find_compiler()
    assert compiler is not None
    compile_it = shlex.join(compiler_command(compiler, LAUNCHER.name, LAUNCHER))
    return f"{compile_it}\nchmod 750 {LAUNCHER}\nsetcap cap_sys_admin+ep {LAUNCHER}\n"


def _rates(home: HomeNetwork, rounds: int, line: str) -> None:
    for way, name in (("d", "download"), ("u", "upload")):
        for streams in (1, 4):
            client = sys.executable, "-c", CLIENT, way, str(streams)
            rates = in_turn(_sum(home, *INSIDE, *client), _sum(home, *client), rounds)
            print(f"{line}, {name}, {streams} streams, Gbit/s inside against outside: {rates}")


def _latency(home: HomeNetwork, rounds: int) -> None:
    inside = _sum(home, *INSIDE, sys.executable, "-c", CONNECT)
    outside = _sum(home, sys.executable, "-c", CONNECT)
    print(f"connection, us inside against outside: {in_turn(inside, outside, rounds)}")


def _undone(take: Callable[[], float], undo: Callable[[], object]) -> Callable[[], float]:
    """Return a function that takes a figure and then undoes the change, without counting the time for that."""

    def taken() -> float:
        figure = take()
        undo()
        return figure

    return taken


def _sum(home: HomeNetwork, *argv: str) -> Callable[[], float]:
    """Return a function that runs a program and returns the sum of the figures it prints."""
    return lambda: sum(map(float, home.run(argv).stdout.split()))


if __name__ == "__main__":
    need(*MACHINE, "musl-gcc:musl-tools", "setcap:libcap2-bin")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
