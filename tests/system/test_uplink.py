"""The uplink on a real network: followed, pinned, with any name, lost and back, and with another packet size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from home_network import HomeNetwork

SET_UP = ("setup-netns", "--no-launcher")
BACK = """
ip link add eth0 type veth peer name far netns isp; ip link set eth0 addrgenmode none
ip -n isp address add 203.0.113.1/24 dev far; ip -n isp link set far up
ip address add 203.0.113.10/24 dev eth0; ip link set eth0 up; ip route add default via 203.0.113.1
"""


def reaches(home: HomeNetwork, address: str = "203.0.113.1") -> bool:
    """Tell whether a ping from inside is answered."""
    return home.run(["ip", "netns", "exec", "ip4only", "ping", "-c1", "-W5", address], check=False).returncode == 0


@pytest.mark.parametrize("name", ["eth0.100", "wan-1_a@x", "x" * 15])
def test_name_of_any_kind(home: HomeNetwork, name: str):
    """Dots, as VLANs have, and whatever else a name may hold reach settings and rules unharmed, and back."""
    home.shell(
        f"ip link set eth0 down; ip link set eth0 name {name}; ip link set {name} up;"
        "ip route add default via 203.0.113.1"
    )
    home.speedmon(*SET_UP)
    assert reaches(home)
    assert f'elements = {{ "{name}" }}' in home.shell("nft list table inet speedmon").stdout
    assert home.shell(f"cat /proc/sys/net/ipv4/conf/{name}/forwarding").stdout == "1\n"
    assert "nothing changed" in home.speedmon(*SET_UP).stdout
    home.speedmon("teardown-netns")
    assert home.shell(f"cat /proc/sys/net/ipv4/conf/{name}/forwarding").stdout == "0\n"


def test_pinned_without_a_default_route(home: HomeNetwork):
    """Without a default route a pinned uplink needs its router named, and then all is reached from inside."""
    home.shell("ip route delete default; ip -n isp address add 198.18.0.1/32 dev lo")
    failed = home.speedmon(*SET_UP, "--uplink", "eth0", check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (5, 1)
    assert "--router ADDRESS" in failed.stderr
    home.speedmon(*SET_UP, "--uplink", "eth0", "--router", "203.0.113.1")
    assert reaches(home, "198.18.0.1")


@pytest.mark.parametrize("kind", ["unreachable", "blackhole", "prohibit"])
def test_a_default_route_that_says_no_is_none(home: HomeNetwork, kind: str):
    """Where the best default route refuses, as a kill switch does, there is no uplink, and nothing is changed."""
    home.shell(f"ip route delete default; ip route add default via 203.0.113.1 metric 9; ip route add {kind} default")
    before = home.snapshot()
    failed = home.speedmon(*SET_UP, check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (5, 1)
    assert "no IPv4 default route" in failed.stderr
    assert home.snapshot() == before


def test_tunnel_that_routes_both_halves_is_followed(home: HomeNetwork):
    """A VPN that leaves the default route alone and routes two halves is where packets go, so it is the uplink."""
    home.speedmon(*SET_UP)
    home.shell("ip route add 0.0.0.0/1 via 10.50.0.2; ip route add 128.0.0.0/1 via 10.50.0.2")
    home.speedmon(*SET_UP)
    assert 'elements = { "eth1" }' in home.shell("nft list table inet speedmon").stdout
    home.shell("ip route delete 0.0.0.0/1; ip route delete 128.0.0.0/1")
    home.speedmon(*SET_UP)
    assert reaches(home)


@pytest.mark.parametrize("pin", [(), ("--uplink", "eth0")])
def test_uplink_that_goes_and_comes_back(home: HomeNetwork, pin: tuple[str, ...]):
    """While it is gone set-up says so; when it is back, as ppp0 after a reconnect, the next call repairs everything."""
    home.speedmon(*SET_UP, *pin)
    home.shell("ip link delete eth0")
    refused = home.speedmon(*SET_UP, *pin, check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2 if pin else 5, 1)
    home.shell(BACK)
    before = home.shell("cat /proc/sys/net/ipv4/conf/eth0/forwarding").stdout
    home.speedmon(*SET_UP, *pin)
    assert reaches(home)
    home.speedmon("teardown-netns")
    assert home.shell("cat /proc/sys/net/ipv4/conf/eth0/forwarding").stdout == before == "0\n"


def test_mtu_that_changes_is_followed(home: HomeNetwork):
    """When the uplink's packets become smaller, the next call makes those of both ends smaller, and back."""
    home.speedmon(*SET_UP)
    for mtu in ("1420", "1500"):
        home.shell(f"ip link set eth0 mtu {mtu}")
        home.speedmon(*SET_UP)
        ends = home.shell("ip link show ip4only-root; ip -n ip4only link show ip4only-ns").stdout
        assert ends.count(f"mtu {mtu}") == 2
        assert reaches(home)
