"""What the uplink forwards because of us does not outlive our rules, whatever flushes them, and ends with teardown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from home_network import HomeNetwork
from home_network_without_nft import HomeNetworkWithoutNft

if TYPE_CHECKING:
    from collections.abc import Iterator

SET_UP = ("setup-netns", "-q", "--no-launcher")


FLUSHES = {
    "nft": "nft flush ruleset",
    "iptables": "for t in filter nat; do iptables -t $t -F; iptables -t $t -X; done",
}


@pytest.fixture
def nft_home() -> Iterator[HomeNetwork]:
    """Yield a home host with nft, whose provider sends packets for the namespace here."""
    with HomeNetwork() as host:
        yield host


@pytest.fixture(params=["nft", "iptables"])
def home(request: pytest.FixtureRequest) -> Iterator[HomeNetwork]:
    """Yield a home host with nft, or with iptables only."""
    with HomeNetwork() if request.param == "nft" else HomeNetworkWithoutNft("nft") as host:
        yield host


def flush(home: HomeNetwork) -> None:
    """Flush everything, as `systemctl reload nftables` does."""
    home.shell(FLUSHES["iptables" if isinstance(home, HomeNetworkWithoutNft) else "nft"])


def knock(home: HomeNetwork) -> None:
    """Send packets from the provider's side to the LAN behind us and to the namespace; one way is enough for them."""
    neighbours(home)
    for address in ("10.50.0.2", "192.168.200.2"):
        home.shell(f"ip netns exec isp ping -qc2 -i0.01 -W0.2 {address}", check=False)


def neighbours(home: HomeNetwork) -> str:
    """Make the LAN host known, so that what is forwarded to it is sent and counted."""
    return home.shell(
        'mac=$(ip -n lan -j link show near | sed \'s/.*"address":"\\([0-9a-f:]*\\)".*/\\1/\');'
        " ip neigh replace 10.50.0.2 lladdr $mac dev eth1 nud permanent"
    ).stdout


def icmp_at_lan(home: HomeNetwork) -> int:
    """Return how many echo requests the LAN host has got so far."""
    lines = home.shell("ip netns exec lan grep ^Icmp: /proc/net/snmp").stdout.splitlines()
    return int(dict(zip(*(line.split() for line in lines), strict=True))["InEchos"])


def icmp_inside(home: HomeNetwork) -> int:
    """Return how many echo requests the namespace has got so far."""
    lines = home.shell("ip netns exec ip4only grep ^Icmp: /proc/net/snmp").stdout.splitlines()
    return int(dict(zip(*(line.split() for line in lines), strict=True))["InEchos"])


def reaches_out(home: HomeNetwork) -> bool:
    """Tell whether a ping from inside is answered."""
    return home.shell("ip netns exec ip4only ping -qc1 -W5 203.0.113.1", check=False).returncode == 0


def set_reverse_path_filter(home: HomeNetwork, mode: int) -> None:
    """Set the filter of all interfaces: 0 none, 1 strict, 2 loose."""
    home.shell(f"for conf in all default eth0 eth1; do echo {mode} >/proc/sys/net/ipv4/conf/$conf/rp_filter; done")


@pytest.mark.parametrize("filter_mode", [0, 1])
def test_after_a_flush_nothing_is_forwarded_for_strangers(nft_home: HomeNetwork, filter_mode: int):
    """The uplink still forwards, but neither into the LAN nor into the namespace; the next set-up repairs the rest."""
    home = nft_home
    set_reverse_path_filter(home, filter_mode)
    home.speedmon(*SET_UP)
    assert reaches_out(home)
    flush(home)
    assert home.shell("cat /proc/sys/net/ipv4/conf/eth0/forwarding").stdout == "1\n"
    knock(home)
    assert (icmp_at_lan(home), icmp_inside(home)) == (0, 0)
    assert home.shell("ping -qc1 -W5 203.0.113.1; ip netns exec isp ping -qc1 -W5 203.0.113.10").returncode == 0
    home.speedmon(*SET_UP)
    assert reaches_out(home)
    assert "nothing changed" in home.speedmon("setup-netns", "--no-launcher").stdout


# A user's `iptables -F` flushes one table only; other tools, all of them, and chains of ours too.
TABLE_FLUSHES = {
    "filter": "iptables -F; iptables -P FORWARD ACCEPT",
    "filter and chains": "iptables -F; iptables -X",
    "nat": "iptables -t nat -F",
    "mangle": "iptables -t mangle -F",
    "all": "for t in filter nat mangle; do iptables -t $t -F; iptables -t $t -X; done",
}


@pytest.fixture(scope="module")
def iptables_home() -> Iterator[HomeNetworkWithoutNft]:
    """Yield a home host with iptables only."""
    with HomeNetworkWithoutNft("nft") as host:
        yield host


@pytest.mark.parametrize("flushed", TABLE_FLUSHES)
def test_after_a_flush_of_iptables_nothing_is_forwarded_for_strangers(
    iptables_home: HomeNetworkWithoutNft, flushed: str
):
    """Whichever tables are flushed: neither into the LAN nor into the namespace; the next set-up repairs the rest."""
    home = iptables_home
    set_reverse_path_filter(home, int(flushed == "all"))
    home.speedmon(*SET_UP)
    assert reaches_out(home)
    before = (icmp_at_lan(home), icmp_inside(home))
    home.shell(TABLE_FLUSHES[flushed])
    assert home.shell("cat /proc/sys/net/ipv4/conf/eth0/forwarding").stdout == "1\n"
    knock(home)
    assert (icmp_at_lan(home), icmp_inside(home)) == before
    home.speedmon(*SET_UP)
    assert reaches_out(home)
    assert "nothing changed" in home.speedmon("setup-netns", "--no-launcher").stdout


def test_a_host_that_becomes_a_router_stays_one(nft_home: HomeNetwork):
    """Docker, started later, turns on forwarding: its networks work, with a loose reverse-path filter too."""
    home = nft_home
    set_reverse_path_filter(home, 2)
    home.speedmon(*SET_UP)
    home.shell("sysctl -qw net.ipv4.ip_forward=1")
    assert home.shell("ip netns exec lan ping -qc1 -W5 203.0.113.1", check=False).returncode == 0
    home.speedmon(*SET_UP)
    assert "fwmark" not in home.shell("ip rule").stdout
    assert home.shell("ip netns exec lan ping -qc1 -W5 203.0.113.1", check=False).returncode == 0


@pytest.mark.parametrize("pin", [(), ("--uplink", "eth0")])
def test_teardown_leaves_no_trace_of_the_guard(home: HomeNetwork, pin: tuple[str, ...]):
    """Rule, table and mark go with the rest, also after a flush."""
    before = home.snapshot()
    home.speedmon(*SET_UP, *pin)
    assert "iif eth0 " in home.shell("ip rule").stdout
    home.speedmon("teardown-netns", "-q")
    assert home.snapshot() == before


@pytest.mark.parametrize("again", [False, True], ids=["at once", "after another set-up"])
def test_a_renamed_uplink_is_left_as_it_was(home: HomeNetwork, again: bool):
    """Forwarding is found on the interface itself, whatever it is called by now, and nothing else is touched."""
    home.speedmon(*SET_UP)
    home.shell(
        "ip link set eth0 down; ip link set eth0 name wan0; ip link set wan0 up; ip route add default via 203.0.113.1;"
        " ip link add eth0 type bridge; echo 1 >/proc/sys/net/ipv4/conf/eth0/forwarding"  # another of the old name
    )
    if again:
        home.speedmon(*SET_UP)
        assert reaches_out(home)
        assert "iif wan0 " in home.shell("ip rule").stdout
    home.speedmon("teardown-netns", "-q")
    assert home.shell("cd /proc/sys/net/ipv4/conf; cat wan0/forwarding eth0/forwarding").stdout == "0\n1\n"
    assert "iif" not in home.shell("ip rule").stdout


def test_two_namespaces_share_an_uplink_and_each_has_its_guard(nft_home: HomeNetwork):
    """The first to go leaves the other guarded, also after a flush."""
    home = nft_home
    home.speedmon(*SET_UP)
    home.speedmon(*SET_UP, "--name", "wan2", "--subnet", "192.168.201.0/24")
    assert home.shell("ip rule").stdout.count("iif eth0 ") == 2
    home.speedmon("teardown-netns", "-q")
    assert home.shell("ip rule").stdout.count("iif eth0 ") == 1
    neighbours(home)
    flush(home)
    home.shell("ip netns exec isp ping -c3 -i0.01 -W0.2 -q 10.50.0.2", check=False)
    assert icmp_at_lan(home) == 0


def test_what_of_the_lan_can_be_reached_from_inside(nft_home: HomeNetwork):
    """As the page says: what lies behind the uplink, the router included, and no other network of the host."""
    home = nft_home
    home.speedmon(*SET_UP)
    reachable = {
        address: home.shell(f"ip netns exec ip4only ping -qc1 -W1 {address}", check=False).returncode == 0
        for address in ("203.0.113.1", "10.50.0.2", "10.50.0.1", "203.0.113.10")
    }
    assert reachable == {"203.0.113.1": True, "10.50.0.2": False, "10.50.0.1": True, "203.0.113.10": True}
