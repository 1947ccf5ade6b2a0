"""Packet sizes on a real network: the namespace has its uplink's MTU, and a smaller path MTU further on is found."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from two_uplinks import SECOND_ADDRESS, SERVER, TwoUplinks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from home_network import HomeNetwork

PIN = ("--uplink", "eth2")
SIZE = 300_000

# A tunnel to the second ISP: what one end's tun device sends, the other's receives.
TUNNEL = """
import contextlib, fcntl, os, select, struct
from netns.kernel.namespaces import enter_namespace

def opened(netns):
    with enter_namespace(netns):
        end = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(end, 0x400454CA, struct.pack("16sH", b"tun0", 0x1001))  # TUNSETIFF, IFF_TUN without a header
    return end

ends = opened(None), opened("isp2")
print("ready", flush=True)
while True:
    for end in select.select(ends, [], [])[0]:
        with contextlib.suppress(OSError):  # the other end is not up yet
            os.write(ends[end == ends[0]], os.read(end, 65536))
"""

TUNNELLED = """
ip link set tun0 mtu 1420; ip link set tun0 up; ip -n isp2 link set tun0 mtu 1420; ip -n isp2 link set tun0 up
ip address add 10.9.0.2/32 dev tun0; ip -n isp2 route add 10.9.0.2 dev tun0; ip -n net route add 10.9.0.2 via 10.2.0.1
"""


@pytest.fixture
def home() -> Iterator[TwoUplinks]:
    """Yield a home host with two lines, without a namespace."""
    with TwoUplinks() as host:
        yield host


@pytest.fixture
def tunnel(home: TwoUplinks) -> Iterator[None]:
    """Keep a tunnel tun0 with packets of 1420 bytes between the host and its second ISP."""
    with home.popen([sys.executable, "-c", TUNNEL], stdout=subprocess.PIPE) as pump:
        assert pump.stdout is not None
        assert pump.stdout.readline() == "ready\n"
        home.shell(TUNNELLED)
        yield
        pump.kill()


@pytest.mark.parametrize("mtu", [1492, 1280])
def test_small_packets_of_the_line(home: TwoUplinks, mtu: int):
    """On a PPPoE line or a narrow one, both ends have its packet size, and bytes pass both ways."""
    home.shell(f"ip link set eth2 mtu {mtu}; ip -n isp2 link set far mtu {mtu}")
    home.set_up(*PIN)
    ends = home.shell("ip link show ip4only-root; ip -n ip4only link show ip4only-ns").stdout
    assert ends.count(f"mtu {mtu} ") == 2
    assert (home.count_fetched(SIZE), home.count_sent(SIZE)) == (str(SIZE),) * 2


def test_narrow_path_further_on_is_found(home: TwoUplinks):
    """Where a router beyond the line needs smaller packets, its ICMP message gets inside, and an upload completes."""
    home.shell("ip -n isp2 link set net mtu 1300")
    home.set_up(*PIN)
    assert home.count_sent(SIZE) == str(SIZE)
    assert " mtu 1300" in home.shell(f"ip -n ip4only route get {SERVER}").stdout


def test_route_of_the_host_with_a_smaller_size(home: TwoUplinks):
    """A packet size that the host's default route sets holds for the namespace too, by an ICMP message of the host."""
    home.shell("ip route replace default via 203.0.113.1 mtu 1400")
    home.set_up()
    assert home.count_sent(SIZE) == str(SIZE)
    assert " mtu 1400" in home.shell(f"ip -n ip4only route get {SERVER}").stdout


@pytest.mark.tun
@pytest.mark.usefixtures("tunnel")
def test_tunnel_needs_no_router(home: TwoUplinks):
    """A pinned tunnel is an uplink without a router, with its own packet size and address, beside the default route."""
    before = home.shell("ip rule; ip route show table all").stdout
    home.set_up("--uplink", "tun0")
    assert "mtu 1420 " in home.shell("ip -n ip4only link show ip4only-ns").stdout
    assert home.address_seen() == "10.9.0.2" != SECOND_ADDRESS
    assert (home.count_fetched(SIZE), home.count_sent(SIZE)) == (str(SIZE),) * 2
    home.speedmon("teardown-netns")
    assert home.shell("ip rule; ip route show table all").stdout == before


@pytest.mark.parametrize("mtu", [576, 1279])
def test_an_uplink_whose_packets_are_too_small_for_ipv6(home: HomeNetwork, mtu: int):
    """Below 1280 bytes the kernel has no IPv6 on a link, and nothing to turn off; when it grows, it is turned off."""
    home.shell(f"ip link set eth0 mtu {mtu}")
    home.speedmon("setup-netns", "--no-launcher")
    assert "nothing changed" in home.speedmon("setup-netns", "--no-launcher").stdout
    assert home.shell("ip netns exec ip4only ping -c1 -W5 203.0.113.1", check=False).returncode == 0
    home.shell("ip link set eth0 mtu 1500")
    home.speedmon("setup-netns", "--no-launcher")
    switches = "/proc/sys/net/ipv6/conf/ip4only-root/disable_ipv6 /proc/sys/net/ipv6/conf/ip4only-ns/disable_ipv6"
    outside, inside = switches.split()
    assert home.shell(f"cat {outside}; ip netns exec ip4only cat {inside}").stdout == "1\n1\n"
