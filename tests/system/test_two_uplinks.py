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
def home() -> Iterator[TwoUplinks]:
    """Yield a home host with two lines, without a namespace."""
    with TwoUplinks() as host:
        yield host


def test_auto_follows_the_better_line_away_and_back(home: TwoUplinks):
    """When the better line goes, the light check says so; each set-up follows, as the far end sees."""
    home.set_up()
    assert home.address_seen() == FIRST_ADDRESS
    home.shell(BETTER.replace("add", "delete"))
    refused = home.speedmon("collect", "--engine", "speedtest-cli", check=False)
    assert refused.returncode == 5
    assert (
        "leave by eth2, but the namespace was set up for uplink eth0; run: sudo speedmon setup-netns" in refused.stderr
    )
    home.set_up()
    assert home.address_seen() == SECOND_ADDRESS
    assert home.python(SOUND).stdout == "[]\n"
    home.shell(BETTER)
    assert "leave by eth0, but the namespace was set up for uplink eth2" in home.python(SOUND).stdout
    home.set_up()
    assert home.address_seen() == FIRST_ADDRESS


def test_one_of_two_next_hops_is_kept_to(home: TwoUplinks):
    """A default route that spreads over both lines sends every connection from inside by the same one."""
    home.shell("ip route delete default metric 200; ip route delete default")
    home.shell("ip route add default nexthop via 203.0.113.1 dev eth0 nexthop via 192.0.2.1 dev eth2")
    home.shell("sysctl -qw net.ipv4.fib_multipath_hash_policy=1")  # by ports, so that connections differ
    before = home.snapshot()
    home.set_up()
    assert "nothing changed" in home.set_up()
    assert len({home.address_seen() for _ in range(5)} & {FIRST_ADDRESS, SECOND_ADDRESS}) == 1
    assert home.python(SOUND).stdout == "[]\n"
    home.speedmon("teardown-netns")
    assert home.snapshot() == before


def test_pinned_to_the_worse_line(home: TwoUplinks):
    """Everything leaves by the pinned line though the better one is up; set-up is idempotent, teardown complete."""
    before = home.snapshot()
    home.set_up(*PIN)
    first, second = home.count_arrived("isp"), home.count_arrived("isp2")
    assert home.count_fetched(100_000) == "100000"
    assert home.address_seen() == SECOND_ADDRESS
    assert home.count_arrived("isp") == first
    assert home.count_arrived("isp2") > second
    state = home.snapshot()
    again = home.speedmon("setup-netns", "--no-launcher", *PIN)
    assert "nothing changed" in again.stdout
    assert "eth2 does not lead to the network of the name server 203.0.113.53" in again.stderr
    assert home.snapshot() == state
    home.speedmon("teardown-netns")
    assert home.snapshot() == before


LOSSES = {
    "its default route goes": "ip route delete default metric 200; ip route flush table 6400 exact 0.0.0.0/0 dev eth2",
    "down": "ip link set eth2 down",
    "deleted": "ip link delete eth2",
    "no carrier": "ip -n isp2 link set far down",
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_pinned_line_that_is_lost_leaks_nothing(home: TwoUplinks, loss: str):
    """Without its line the namespace is cut off, though the other line is up; that is the line's fault."""
    home.set_up(*PIN)
    home.shell(loss)
    other = home.count_arrived("isp")
    home.shell("nft flush chain inet speedmon forward")  # the routes alone must hold
    assert home.address_seen() not in {FIRST_ADDRESS, SECOND_ADDRESS}
    assert home.count_arrived("isp") == other
    assert home.python(SOUND).stdout == "[]\n"


def test_pinned_line_that_comes_back(home: TwoUplinks):
    """The kernel drops routes with their link: when it is back the light check says so, and a set-up repairs it."""
    home.set_up(*PIN)
    home.shell(f"ip link set eth2 down; ip link set eth2 up; {SECOND_DEFAULT_ROUTE}")
    assert "do not reach the uplink eth2, although it is up" in home.python(SOUND).stdout
    home.set_up(*PIN)
    assert home.address_seen() == SECOND_ADDRESS
    assert home.python(SOUND).stdout == "[]\n"


def test_pin_that_moves_and_ends(home: TwoUplinks):
    """A namespace pinned to one line, then to the other, then to none uses each in turn, and leaves nothing behind."""
    bare = home.shell(RULES).stdout
    for arguments, address in ((PIN, SECOND_ADDRESS), (("--uplink", "eth0"), FIRST_ADDRESS), (PIN, SECOND_ADDRESS)):
        home.set_up(*arguments)
        assert home.address_seen() == address
    home.set_up()
    assert home.address_seen() == FIRST_ADDRESS
    assert "6400" not in home.shell(RULES).stdout
    home.speedmon("teardown-netns")
    assert home.shell(RULES).stdout == bare


def test_one_namespace_a_line(home: TwoUplinks):
    """Two namespaces on two lines at once each have their own address outside, and leave no trace."""
    before = home.snapshot()
    home.set_up("--uplink", "eth0")
    home.set_up(*OTHER)
    assert (home.address_seen(), home.address_seen("wan2")) == (FIRST_ADDRESS, SECOND_ADDRESS)
    home.speedmon("teardown-netns")
    assert home.address_seen("wan2") == SECOND_ADDRESS
    home.speedmon("teardown-netns", "--name", "wan2")
    assert home.snapshot() == before


FAULTS = {
    "refusal": "ip route delete unreachable default table 6400",
    "both": "ip rule delete priority 5000; ip route flush table 6400",
    "ahead": "ip rule add priority 4000 lookup main",
    "journal": "rm /var/lib/speedmon-netns-ip4only.json",
    "router": "ip route replace default via 192.0.2.7 dev eth2 table 6400 proto 115",
}


def test_half_of_the_routing_is_repaired(home: TwoUplinks):
    """Whatever of rule and table is deleted, changed or overtaken by hand, the next set-up repairs it."""
    before = home.shell(RULES).stdout
    home.set_up(*PIN)
    for fault in FAULTS.values():
        home.shell(fault)
        assert "is ready" in home.set_up(*PIN), fault
        assert home.address_seen() == SECOND_ADDRESS, fault
    home.shell("ip rule delete priority 4000 lookup main")
    home.speedmon("teardown-netns")
    assert home.shell(RULES).stdout == before


def test_rules_and_tables_of_others_are_kept(home: TwoUplinks):
    """Numbers that others use are not taken, their rules are overtaken and not changed, and all theirs stays."""
    home.shell("ip rule add priority 3000 lookup main; ip rule add priority 2999 iif lo lookup 6401")
    home.shell("ip route add 198.18.5.0/24 dev eth1 table 6400")
    before = home.snapshot()
    home.set_up(*PIN)
    assert home.address_seen() == SECOND_ADDRESS
    assert "2998:\tfrom 192.168.200.0/24 iif ip4only-root lookup 6402" in home.shell("ip rule").stdout
    home.speedmon("teardown-netns")
    assert home.snapshot() == before


def test_failed_step_takes_the_routing_back(home: TwoUplinks):
    """When a later step fails, rules and routes are as before."""
    home.shell("mkdir /etc/netns; touch /etc/netns/ip4only")
    before = home.snapshot()
    failed = home.speedmon("setup-netns", "--no-launcher", *PIN, check=False)
    assert failed.returncode == 5
    assert "ip rule add priority 5000 iif ip4only-root" in failed.stdout
    assert home.snapshot() == before


def test_pinned_line_at_work_while_other_routes_come(home: TwoUplinks):
    """Rules that a VPN adds without priorities come ahead of ours: no leak, and a set-up goes ahead of them."""
    home.set_up(*PIN)
    home.shell("ip route add default via 203.0.113.1 table 77")
    home.shell("ip rule add table 77; ip rule add table main suppress_prefixlength 0")  # as wg-quick does
    assert home.address_seen() not in {FIRST_ADDRESS, SECOND_ADDRESS}
    assert "leave by eth0" in home.python(SOUND).stdout
    home.set_up(*PIN)
    assert home.address_seen() == SECOND_ADDRESS


def test_rule_that_leads_elsewhere(home: TwoUplinks):
    """A policy rule for the namespace only, unseen in the host's own route, is reported; a pin goes ahead of it."""
    home.shell("ip route add default via 192.0.2.1 table 77; ip rule add from 192.168.200.2 table 77")
    before = home.snapshot()
    failed = home.speedmon("setup-netns", "--no-launcher", check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (5, 1)
    assert "leave by eth2, but the namespace was set up for uplink eth0; see `ip rule`" in failed.stderr
    assert home.snapshot() == before
    home.set_up("--uplink", "eth0")
    assert home.address_seen() == FIRST_ADDRESS


def test_subnet_that_collides_gets_one_that_works(home: TwoUplinks):
    """The subnet proposed in place of one that a line uses is free, and works."""
    home.shell("ip route add 192.168.200.0/23 via 192.0.2.1")
    failed = home.speedmon("setup-netns", "--no-launcher", check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (2, 1)
    proposed = failed.stderr.split("--subnet ")[1].strip()
    home.set_up("--subnet", proposed, *PIN)
    assert home.address_seen() == SECOND_ADDRESS
