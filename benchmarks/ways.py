"""How long a command takes to start by each way into the namespace, and pasta's throughput; needs no internet.

    python benchmarks/ways.py [ROUNDS]

Each way runs `true` as a plain user, in turn with `true` outside. For systemd, `systemctl start` of a unit with
NetworkNamespacePath= takes turns with the same unit without it. Throughput is that of one stream, compared with the
launcher's.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from home_network import SPEEDMON, HomeNetwork
from namespace import CLIENT, SERVER
from pairs import in_turn, milliseconds
from systemd_machine import UNITS, SystemdMachine
from tools import MACHINE, need

PYTHON = [sys.executable, "-I", "-m"]

LAUNCHER = ["/usr/local/bin/ip4only"]

BY_ROOT = [*PYTHON, "netns.entry.inside", "--as", "4001:4001", "ip4only", "--"]

PASTA = [*PYTHON, "netns.entry.pasta", "ip4only", "203.0.113.53", "--"]

UNIT = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nUser=ann\nExecStart=/bin/true\n"

INSIDE = """NetworkNamespacePath=/run/netns/ip4only
BindReadOnlyPaths=/etc/netns/ip4only/resolv.conf:/etc/resolv.conf
"""


def main(rounds: int) -> None:
    """Print the figures."""
    with HomeNetwork() as home:
        home.add_user("ann", 4001)
        home.speedmon("setup-netns", "-q", "--user", "ann")
        _starts(home, rounds)
        _throughput(home, rounds)
    with SystemdMachine() as booted:
        booted.add_user("ann", 4001)
        booted.within(SPEEDMON, "setup-netns", "-q", "--no-launcher")
        _units(booted, rounds)


def _starts(home: HomeNetwork, rounds: int) -> None:
    outside = milliseconds(lambda: home.run(["true"], user="ann"))
    for name, way, user in (("launcher", LAUNCHER, "ann"), ("root's way", BY_ROOT, None), ("pasta", PASTA, "ann")):
        start = milliseconds(partial(home.run, [*way, "true"], user=user))
        print(f"start by {name} against outside, ms: {in_turn(start, outside, rounds)}")


def _throughput(home: HomeNetwork, rounds: int) -> None:
    far = home.popen(["ip", "netns", "exec", "isp", sys.executable, "-c", SERVER], stdout=-1)
    assert far.stdout is not None
    far.stdout.readline()
    for direction, name in (("d", "download"), ("u", "upload")):
        client = [sys.executable, "-c", CLIENT, direction, "1"]
        pasta, launcher = (partial(_rate, home, [*way, *client]) for way in (PASTA, LAUNCHER))
        print(f"{name}, one stream, Gbit/s by pasta against the launcher: {in_turn(pasta, launcher, rounds)}")
    far.kill()


def _rate(home: HomeNetwork, argv: list[str]) -> float:
    return float(home.run(argv, user="ann").stdout)


def _units(booted: SystemdMachine, rounds: int) -> None:
    for name, lines in (("inside", INSIDE), ("outside", "")):
        booted.path(f"{UNITS}/{name}.service").write_text(UNIT + lines)
    assert booted.start("inside.service") == booted.start("outside.service") == "success"
    inside, outside = (
        milliseconds(partial(booted.within, "systemctl", "start", f"{name}.service")) for name in ("inside", "outside")
    )
    print(f"start by systemd against a unit outside, ms: {in_turn(inside, outside, rounds)}")


if __name__ == "__main__":
    need(*MACHINE, "musl-gcc:musl-tools", "pasta:passt", "pgrep:procps", "/lib/systemd/systemd:systemd", root=True)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
