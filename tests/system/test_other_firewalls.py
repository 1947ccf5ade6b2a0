"""The namespace beside other firewalls that would drop its packets: the rarer ones, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import host_kinds
import pytest

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet
    from home_network import HomeNetwork

SETUP = ("setup-netns", "--no-launcher")
READY, SAME = "is ready", "nothing changed"

POLICIES = {"iptables-nft": host_kinds.IPTABLES_NFT, "iptables-legacy": host_kinds.IPTABLES_LEGACY}

FORWARD = "type filter hook forward priority"
FIREWALLS = {
    "iptables rule": "iptables-nft -A FORWARD -p icmp -j ACCEPT; iptables-nft -A FORWARD -j DROP",
    "iptables REJECT at the head": "iptables-nft -I FORWARD -j REJECT",
    "both kinds of iptables": "iptables-nft -P FORWARD DROP; iptables-legacy -A FORWARD -j DROP",
    "nft policy": f"nft 'add table inet filter {{ chain forward {{ {FORWARD} 0; policy drop; }}; }}'",
    "nft rule": f"nft 'add table inet filter {{ chain forward {{ {FORWARD} 0; ct state new counter drop; }}; }}'",
    "nft, named as iptables": f"nft 'add table ip filter {{ chain FORWARD {{ {FORWARD} 5; drop; }}; }}'",
    "nft before us": f"nft 'add table ip first {{ chain f {{ {FORWARD} -200; policy drop; }}; }}'",
}

# The list of legacy tables is for root alone.
LATE_LEGACY = "legacy iptables after routing"
EARLY_LEGACY = "legacy iptables before routing"
ROOT_ONLY = {"iptables-legacy", "both kinds of iptables", LATE_LEGACY, EARLY_LEGACY}


def beside(name: str, *values: str) -> ParameterSet:
    """Return the parameters of a test beside this firewall, which may need root; its script, where none are given."""
    marks = [pytest.mark.root] if name in ROOT_ONLY else []
    return pytest.param(*(values or ((FIREWALLS | POLICIES)[name],)), id=name, marks=marks)


@pytest.mark.parametrize("firewall", [beside(name) for name in FIREWALLS])
def test_namespace_works_beside(home: HomeNetwork, firewall: str):
    """The far end answers, a second set-up changes nothing, and teardown leaves no trace."""
    home.shell(firewall)
    before = home.snapshot()
    assert READY in home.speedmon(*SETUP).stdout
    opened = home.rules()
    assert SAME in home.speedmon(*SETUP).stdout
    assert home.rules() == opened
    assert home.speedmon("exec", "--", "ping", "-qc1", "-W5", "203.0.113.1").returncode == 0
    home.speedmon("teardown-netns")
    assert home.snapshot() == before


def test_docker_keeps_our_rules(home: HomeNetwork):
    """Where FORWARD leads to DOCKER-USER, the pair is there, and FORWARD itself is as Docker made it."""
    home.shell(host_kinds.DOCKER)
    before = home.shell("iptables-nft -S FORWARD").stdout
    home.speedmon(*SETUP)
    assert home.shell("iptables-nft -S FORWARD").stdout == before
    assert home.shell("iptables-nft -S DOCKER-USER").stdout.count("speedmon:ip4only") == 2


@pytest.mark.root
def test_ufw_reload_keeps_our_rules(home: HomeNetwork):
    """A reload of ufw, which rebuilds its own chains, leaves the namespace working."""
    home.shell("ufw --force enable")
    home.speedmon(*SETUP)
    home.shell("ufw reload")
    assert SAME in home.speedmon(*SETUP).stdout


@pytest.mark.root
def test_looking_makes_no_legacy_tables(home: HomeNetwork):
    """A host without legacy iptables has none afterwards, nor a filter table of iptables-nft."""
    home.speedmon(*SETUP)
    assert home.shell("cat /proc/net/ip_tables_names; nft list tables").stdout == "table inet speedmon\n"


def test_firewall_that_drops_nothing_is_left_alone(home: HomeNetwork):
    """Chains whose policy and rules only accept need no rule of ours."""
    home.shell("iptables-nft -P FORWARD ACCEPT; iptables-nft -A FORWARD -p tcp -j ACCEPT")
    home.shell(f"nft 'add table inet filter {{ chain forward {{ {FORWARD} 0; ct state new counter; }}; }}'")
    home.speedmon(*SETUP)
    assert not [line for line in home.rules() if "speedmon:ip4only" in line]


@pytest.mark.parametrize("program", ["iptables-nft", pytest.param("iptables-legacy", marks=pytest.mark.root)])
def test_opening_that_was_overtaken_is_repaired(home: HomeNetwork, program: str):
    """A drop that somebody put before our rules, or one of them deleted, is repaired by the next call."""
    home.shell(f"{program} -P FORWARD DROP")
    home.speedmon(*SETUP)
    opened = home.shell(f"{program} -S FORWARD").stdout
    home.shell(f"{program} -D FORWARD 2")
    assert READY in home.speedmon(*SETUP).stdout
    assert home.shell(f"{program} -S FORWARD").stdout == opened
    home.shell(f"{program} -I FORWARD -s 192.168.0.0/16 -j DROP")
    assert READY in home.speedmon(*SETUP).stdout
    assert "speedmon" in home.shell(f"{program} -S FORWARD 1").stdout


@pytest.mark.parametrize("firewall", [*map(beside, (*POLICIES, "nft policy"))])
def test_opening_follows_the_uplink(home: HomeNetwork, firewall: str):
    """When the default route moves, the old pair gives way to one for the new uplink."""
    home.shell(firewall)
    home.speedmon(*SETUP)
    home.shell("ip route replace default via 10.50.0.2")
    home.speedmon(*SETUP)
    tagged = {line for line in home.rules() if "speedmon:ip4only" in line}
    assert len([line for line in tagged if "eth1" in line]) >= 2
    assert not [line for line in tagged if "eth0" in line]


@pytest.mark.parametrize("firewall", [*map(beside, ("iptables-nft", "nft policy"))])
def test_each_namespace_has_its_own_opening(home: HomeNetwork, firewall: str):
    """The teardown of a second namespace leaves the rules of the first."""
    home.shell(firewall)
    home.speedmon(*SETUP)
    first = home.rules()
    home.speedmon(*SETUP, "--name", "wan2", "--subnet", "192.168.201.0/24")
    assert [line for line in home.rules() if "speedmon:wan2" in line]
    home.speedmon("teardown-netns", "--name", "wan2")
    assert home.rules() == first


BLOCKED = {
    "a chain after routing": (
        "nft 'add table inet odd { chain late { type filter hook postrouting priority 0; ip ttl 1 drop; }; }'",
        "inet odd late drops packets from ip4only (ip ttl 1 drop); run: nft insert rule inet odd late",
    ),
    "a rule of iptables' mangle table": (
        "iptables-nft -t mangle -A FORWARD -i ip4only-root -j DROP",
        "ip mangle FORWARD drops packets from ip4only",
    ),
    "firewalld that does not answer": (
        f"nft 'add table inet firewalld {{ chain filter_FORWARD {{ {FORWARD} 10; policy drop; }}; }}'",
        "run: firewall-cmd --zone=trusted --add-source=192.168.200.0/24",
    ),
    LATE_LEGACY: (
        "iptables-legacy -t mangle -A POSTROUTING -s 192.168.200.0/24 -j DROP",
        "`iptables-legacy -t mangle -A POSTROUTING -s 192.168.200.0/24 -j DROP` drops packets from ip4only; run:",
    ),
    EARLY_LEGACY: (
        "alias raw='iptables-legacy -t raw'\nraw -N odd; raw -A odd -p udp -j DROP; raw -A PREROUTING ! -i eth0 -j odd",
        "-t raw -A odd -p udp -j DROP` drops packets from ip4only; run: iptables-legacy -t raw -I odd -s",
    ),
}


@pytest.mark.parametrize(("firewall", "message"), [beside(name, *values) for name, values in BLOCKED.items()])
def test_what_cannot_be_opened_is_named(home: HomeNetwork, firewall: str, message: str):
    """Where a drop is out of our reach, one line names it and the fix, and the machine is as before."""
    home.shell(firewall)
    before = home.snapshot()
    failed = home.speedmon(*SETUP, "-q", check=False)
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (5, "", 1)
    assert message in failed.stderr
    assert home.snapshot() == before


@pytest.mark.parametrize(
    "firewall", [beside(name, BLOCKED[name][0]) for name in ("a chain after routing", LATE_LEGACY, EARLY_LEGACY)]
)
def test_what_it_says_to_type_helps(home: HomeNetwork, firewall: str):
    """The command of the message, typed as it stands, lets the namespace work."""
    home.shell(firewall)
    output = home.speedmon(*SETUP, check=False).stderr
    home.shell(output.partition("run: ")[2].partition(";")[0])
    assert READY in home.speedmon(*SETUP).stdout


def test_namespace_that_was_there_stays_when_it_is_blocked(home: HomeNetwork):
    """A firewall that begins to drop later is reported, and nothing is taken back."""
    home.speedmon(*SETUP)
    home.shell(BLOCKED["a chain after routing"][0])
    before = home.snapshot()
    failed = home.speedmon(*SETUP, check=False)
    assert (failed.returncode, "inet odd late" in failed.stderr) == (5, True)
    assert home.snapshot() == before


def test_dead_line_is_not_blamed_on_the_firewall(home: HomeNetwork):
    """The test packet needs no reply: set-up works while the ISP is down."""
    home.shell("ip -n isp link set far down")
    assert READY in home.speedmon(*SETUP).stdout


def test_route_that_drops_the_packet_is_not_blamed_on_a_firewall(home: HomeNetwork):
    """A host with a blackhole route for documentation addresses still gets its namespace."""
    home.shell("ip route add blackhole 198.51.100.0/24")
    assert READY in home.speedmon(*SETUP).stdout


@pytest.mark.root
def test_dry_run_prints_the_rules(home: HomeNetwork):
    """The rules for other firewalls are printed as a person would type them, and typing them does the same."""
    home.shell(FIREWALLS["both kinds of iptables"] + "; " + FIREWALLS["nft policy"])
    output = home.speedmon(*SETUP, "--dry-run").stdout.splitlines()
    printed = [line for line in output if "speedmon:ip4only" in line]
    home.speedmon(*SETUP)
    opened = home.rules()
    home.shell("iptables-nft -F FORWARD; iptables-legacy -F FORWARD; nft flush chain inet filter forward")
    home.shell("iptables-legacy -A FORWARD -j DROP; " + "; ".join(printed))
    assert home.rules() == opened
