"""Two lines on a real network, each with a strict reverse-path filter: followed, pinned, lost, a namespace on each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from two_uplinks import FIRST_ADDRESS, SECOND_ADDRESS, SECOND_DEFAULT_ROUTE, TwoUplinks

if TYPE_CHECKING:
    from collections.abc import Iterator

PIN = ("--uplink", "eth2")
OTHER = ("--name", "wan2", "--subnet", "192.168.201.0/24", *PIN)
BETTER = "ip route add default via 203.0.113.1"

SOUND = "from netns.entry import enter; print(enter.find_problems('ip4only'))"

RULES = "ip rule; ip route show table all"


@pytest.fixture
def street() -> Iterator[TwoUplinks]:
    """Yield a home host with two lines, without a namespace."""
    with TwoUplinks() as host:
        yield host


def test_auto_follows_the_better_line_away_and_back(street: TwoUplinks):
    """When the better line goes, the light check says so; each set-up follows, as the far end sees."""
    street.set_up()
    assert street.address_seen() == FIRST_ADDRESS
    street.shell(BETTER.replace("add", "delete"))
    refused = street.speedmon("collect", "--engine", "speedtest-cli", check=False)
    assert refused.returncode == 5
    assert (
        "leave by eth2, but the namespace was set up for uplink eth0; run: sudo speedmon setup-netns" in refused.stderr
    )
    street.set_up()
    assert street.address_seen() == SECOND_ADDRESS
    assert street.python(SOUND).stdout == "[]\n"
    street.shell(BETTER)
    assert "leave by eth0, but the namespace was set up for uplink eth2" in street.python(SOUND).stdout
    street.set_up()
    assert street.address_seen() == FIRST_ADDRESS


def test_one_of_two_next_hops_is_kept_to(street: TwoUplinks):
    """A default route that spreads over both lines sends every connection from inside by the same one."""
    street.shell("ip route delete default metric 200; ip route delete default")
    street.shell("ip route add default nexthop via 203.0.113.1 dev eth0 nexthop via 192.0.2.1 dev eth2")
    street.shell("sysctl -qw net.ipv4.fib_multipath_hash_policy=1")  # by ports, so that connections differ
    before = street.snapshot()
    street.set_up()
    assert "nothing changed" in street.set_up()
    assert len({street.address_seen() for _ in range(5)} & {FIRST_ADDRESS, SECOND_ADDRESS}) == 1
    assert street.python(SOUND).stdout == "[]\n"
    street.speedmon("teardown-netns")
    assert street.snapshot() == before


def test_pinned_to_the_worse_line(street: TwoUplinks):
    """While the better line is up, all from inside leaves by the pinned one; twice is once, and teardown is whole."""
    before = street.snapshot()
    street.set_up(*PIN)
    first, second = street.count_arrived("isp"), street.count_arrived("isp2")
    assert street.count_fetched(100_000) == "100000"
    assert street.address_seen() == SECOND_ADDRESS
    assert street.count_arrived("isp") == first
    assert street.count_arrived("isp2") > second
    state = street.snapshot()
    again = street.speedmon("setup-netns", "--no-launcher", *PIN)
    assert "nothing changed" in again.stdout
    assert "eth2 does not lead to the network of the name server 203.0.113.53" in again.stderr
    assert street.snapshot() == state
    street.speedmon("teardown-netns")
    assert street.snapshot() == before


LOSSES = {
    "its default route goes": "ip route delete default metric 200; ip route flush table 6400 exact 0.0.0.0/0 dev eth2",
    "down": "ip link set eth2 down",
    "gone": "ip link delete eth2",
    "no carrier": "ip -n isp2 link set far down",
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_pinned_line_that_is_lost_leaks_nothing(street: TwoUplinks, loss: str):
    """Without its line the namespace is cut off, though the other line is up; that is the line's fault."""
    street.set_up(*PIN)
    street.shell(loss)
    other = street.count_arrived("isp")
    street.shell("nft flush chain inet speedmon forward")  # the routes alone must hold
    assert street.address_seen() not in {FIRST_ADDRESS, SECOND_ADDRESS}
    assert street.count_arrived("isp") == other
    assert street.python(SOUND).stdout == "[]\n"


def test_pinned_line_that_comes_back(street: TwoUplinks):
    """The kernel drops routes with their link: when it is back the light check says so, and a set-up repairs it."""
    street.set_up(*PIN)
    street.shell(f"ip link set eth2 down; ip link set eth2 up; {SECOND_DEFAULT_ROUTE}")
    assert "do not reach the uplink eth2, although it is up" in street.python(SOUND).stdout
    street.set_up(*PIN)
    assert street.address_seen() == SECOND_ADDRESS
    assert street.python(SOUND).stdout == "[]\n"


def test_pin_that_moves_and_ends(street: TwoUplinks):
    """A namespace pinned to one line, then to the other, then to none uses each in turn, and leaves nothing behind."""
    bare = street.shell(RULES).stdout
    for arguments, address in ((PIN, SECOND_ADDRESS), (("--uplink", "eth0"), FIRST_ADDRESS), (PIN, SECOND_ADDRESS)):
        street.set_up(*arguments)
        assert street.address_seen() == address
    street.set_up()
    assert street.address_seen() == FIRST_ADDRESS
    assert "6400" not in street.shell(RULES).stdout
    street.speedmon("teardown-netns")
    assert street.shell(RULES).stdout == bare


def test_one_namespace_a_line(street: TwoUplinks):
    """Two namespaces on two lines at once are each seen by the address of their own, and go without a trace."""
    before = street.snapshot()
    street.set_up("--uplink", "eth0")
    street.set_up(*OTHER)
    assert (street.address_seen(), street.address_seen("wan2")) == (FIRST_ADDRESS, SECOND_ADDRESS)
    street.speedmon("teardown-netns")
    assert street.address_seen("wan2") == SECOND_ADDRESS
    street.speedmon("teardown-netns", "--name", "wan2")
    assert street.snapshot() == before


FAULTS = {
    "refusal": "ip route delete unreachable default table 6400",
    "both": "ip rule delete priority 5000; ip route flush table 6400",
    "ahead": "ip rule add priority 4000 lookup main",
    "journal": "rm /var/lib/speedmon-netns-ip4only.json",
    "router": "ip route replace default via 192.0.2.7 dev eth2 table 6400 proto 115",
}


def test_half_of_the_routing_is_repaired(street: TwoUplinks):
    """Whatever of rule and table is deleted, changed or overtaken by hand, the next set-up repairs it."""
    before = street.shell(RULES).stdout
    street.set_up(*PIN)
    for fault in FAULTS.values():
        street.shell(fault)
        assert "is ready" in street.set_up(*PIN), fault
        assert street.address_seen() == SECOND_ADDRESS, fault
    street.shell("ip rule delete priority 4000 lookup main")
    street.speedmon("teardown-netns")
    assert street.shell(RULES).stdout == before


def test_rules_and_tables_of_others_are_kept(street: TwoUplinks):
    """Numbers that others use are not taken, their rules are overtaken and not changed, and all theirs stays."""
    street.shell("ip rule add priority 3000 lookup main; ip rule add priority 2999 iif lo lookup 6401")
    street.shell("ip route add 198.18.5.0/24 dev eth1 table 6400")
    before = street.snapshot()
    street.set_up(*PIN)
    assert street.address_seen() == SECOND_ADDRESS
    assert "2998:\tfrom 192.168.200.0/24 iif ip4only-root lookup 6402" in street.shell("ip rule").stdout
    street.speedmon("teardown-netns")
    assert street.snapshot() == before


def test_failed_step_takes_the_routing_back(street: TwoUplinks):
    """When a later step fails, rules and routes are as before."""
    street.shell("mkdir /etc/netns; touch /etc/netns/ip4only")
    before = street.snapshot()
    failed = street.speedmon("setup-netns", "--no-launcher", *PIN, check=False)
    assert failed.returncode == 5
    assert "ip rule add priority 5000 iif ip4only-root" in failed.stdout
    assert street.snapshot() == before


def test_pinned_line_at_work_while_other_routes_come(street: TwoUplinks):
    """Rules that a VPN adds without priorities come ahead of ours: no leak, and a set-up goes ahead of them."""
    street.set_up(*PIN)
    street.shell("ip route add default via 203.0.113.1 table 77")
    street.shell("ip rule add table 77; ip rule add table main suppress_prefixlength 0")  # as wg-quick does
    assert street.address_seen() not in {FIRST_ADDRESS, SECOND_ADDRESS}
    assert "leave by eth0" in street.python(SOUND).stdout
    street.set_up(*PIN)
    assert street.address_seen() == SECOND_ADDRESS


def test_rule_that_leads_elsewhere(street: TwoUplinks):
    """A policy rule for the namespace only, unseen in the host's own route, is reported; a pin goes ahead of it."""
    street.shell("ip route add default via 192.0.2.1 table 77; ip rule add from 192.168.200.2 table 77")
    before = street.snapshot()
    failed = street.speedmon("setup-netns", "--no-launcher", check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (5, 1)
    assert "leave by eth2, but the namespace was set up for uplink eth0; see `ip rule`" in failed.stderr
    assert street.snapshot() == before
    street.set_up("--uplink", "eth0")
    assert street.address_seen() == FIRST_ADDRESS


def test_subnet_that_collides_gets_one_that_works(street: TwoUplinks):
    """The subnet proposed in place of one that a line uses is free, and works."""
    street.shell("ip route add 192.168.200.0/23 via 192.0.2.1")
    failed = street.speedmon("setup-netns", "--no-launcher", check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (2, 1)
    proposed = failed.stderr.split("--subnet ")[1].strip()
    street.set_up("--subnet", proposed, *PIN)
    assert street.address_seen() == SECOND_ADDRESS
