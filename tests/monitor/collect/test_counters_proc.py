"""The kernel's counters are read as payload, from the side of the test; pure texts and a real veth."""

from __future__ import annotations

import subprocess
import sys

import pytest
from private_machine import PrivateMachine

from monitor.collect.counters import (
    HEADER_BYTES,
    CounterLinks,
    Reading,
    Traffic,
    find_default_link,
    find_links,
    parse_devices,
    read_counters,
)
from monitor.config.settings import NamespaceSettings
from monitor.model import NetworkPath

TITLES = "Inter-|   Receive    |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def row(name: str, rx: tuple[int, int], tx: tuple[int, int]) -> str:
    """Return a line of /proc/net/dev, from bytes and packets in both directions."""
    return f"{name:>6}: {rx[0]} {rx[1]} 0 0 0 0 0 0 {tx[0]} {tx[1]} 0 0 0 0 0 0\n"


def test_headers_are_no_payload():
    """What a packet carries besides payload is taken off, and nothing becomes negative."""
    text = TITLES + row("eth0", (1_000_000, 700), (60, 1)) + row("lo", (5, 0), (0, 0))
    assert parse_devices(text) == {"eth0": Traffic(1_000_000 - 700 * HEADER_BYTES, 0), "lo": Traffic(5, 0)}


def test_a_host_without_devices():
    """A text that is empty or has only titles has no links."""
    assert parse_devices("") == parse_devices(TITLES) == {}


@pytest.mark.parametrize(
    ("text", "own", "expected"),
    [(ROUTES, "ip4only-root", "eth0"), (ROUTES, "eth0", "wlan0"), (ROUTES.splitlines()[0], "x", None), ("", "x", None)],
)
def test_the_best_default_route_is_the_uplink(text: str, own: str, expected: str | None):
    """The lowest metric wins, and our own link is never the uplink."""
    assert find_default_link(text, own) == expected


def test_a_pinned_uplink_is_watched():
    """Where the configuration names the uplink, no route is asked."""
    assert find_links(NetworkPath.IP4ONLY, NamespaceSettings(uplink="ppp0")) == CounterLinks(
        "ip4only-root", mirrored=True, uplink="ppp0"
    )


def test_on_the_host_the_test_shares_the_uplink():
    """A test beside the namespace has no link of its own."""
    assert find_links(NetworkPath.HOST, NamespaceSettings()).test is None


def test_a_link_that_does_not_exist_has_no_counters():
    """Names of links that do not exist give None, not zeros."""
    assert read_counters(CounterLinks("nosuchlink", mirrored=True, uplink=None), 1.5) == Reading(1.5, None, None)


COUNTS = """
import subprocess, time
from monitor.collect.counters import CounterLinks
from monitor.collect.counters import read_counters
watched = CounterLinks("near", mirrored=True, uplink="near")
before = read_counters(watched, 0)
subprocess.run(["ping", "-q", "-c", "5", "-i", "0.01", "-s", "1000", "10.0.0.2"], check=True, capture_output=True)
after = read_counters(watched, 1)
print(*(after.test.received - before.test.received, after.uplink.sent - before.uplink.sent))
"""


def test_a_real_link_counts_from_the_side_of_the_test():
    """What is sent into the far end of a veth is what the test receives there."""
    with PrivateMachine() as machine:
        machine.run(["ip", "netns", "add", "far"])
        for command in (
            "link add near type veth peer name end netns far",
            "link set near up",
            "address add 10.0.0.1/24 dev near",
            "-n far link set end up",
            "-n far address add 10.0.0.2/24 dev end",
        ):
            machine.run(["ip", *command.split()])
        received, sent = map(int, machine.run([sys.executable, "-c", COUNTS]).stdout.split())
    assert received == sent
    # Less the few that ask for an address, which are shorter than the headers of a transfer.
    assert 5 * (1000 + 42 - HEADER_BYTES) - 200 <= received <= 5 * 1100


def test_reading_imports_nothing_heavy():
    """The counters are read before and during each test, so nothing may be imported for them."""
    code = "import monitor.collect.counters; import monitor.collect.progress; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"sqlalchemy", "pyroute2", "matplotlib", "asyncio", "dns"} & {*done.stdout.split()}
