"""Which rules are named when a packet from inside is lost on a host without nft."""

from __future__ import annotations

import pytest

from netns.firewall import diagnose
from netns.firewall.diagnose import PacketFate
from netns.spec import NamespaceSpec

SPEC = NamespaceSpec()


def named(rule: str, fate: PacketFate = PacketFate.LOST_BEFORE) -> list[str]:
    """Return the suspects in a mangle table of one rule."""
    saved = f"*mangle\n:PREROUTING ACCEPT [0:0]\n[1:60] -A {rule}\nCOMMIT\n"
    return [str(suspect) for suspect in diagnose.find_suspects(SPEC, fate, "iptables-legacy", "mangle", saved)]


@pytest.mark.parametrize(
    "rule",
    [
        "PREROUTING -j DROP",
        "FORWARD -i ip4only-root -j DROP",
        "FORWARD -s 192.168.0.0/16 ! -o eth0 -j DROP",
        "PREROUTING -p udp -j DROP",
        "PREROUTING ! -i eth0 -j DROP",
    ],
)
def test_rule_that_may_be_the_one(rule: str):
    """It is printed as it would be typed."""
    assert named(rule) == [f"`iptables-legacy -t mangle -A {rule}`"]


@pytest.mark.parametrize(
    "rule",
    [
        "PREROUTING -j LOG",
        "INPUT -j DROP",
        "PREROUTING -i eth0 -j DROP",
        "PREROUTING -p tcp -j DROP",
        "PREROUTING -s 10.0.0.0/8 -j DROP",
        "PREROUTING -m conntrack --ctstate INVALID -j DROP",
    ],
)
def test_rule_for_others_is_not_named(rule: str):
    """Nor one that drops nothing, or that forwarded packets do not pass."""
    assert named(rule) == []


def test_place_of_the_loss_tells_the_chain():
    """What got past our own rules was not dropped ahead of them."""
    assert named("POSTROUTING -j DROP") == named("PREROUTING -j DROP", PacketFate.LOST_BEHIND) == []
    assert len(named("POSTROUTING -j DROP", PacketFate.LOST_BEHIND)) == 1


def test_fix_lets_the_subnet_pass_ahead_of_the_rule():
    """It is one command, for the namespace alone."""
    (suspect,) = diagnose.find_suspects(SPEC, PacketFate.LOST_BEFORE, "iptables-nft", "raw", "-A PREROUTING -j DROP")
    assert suspect.fix(SPEC) == "iptables-nft -t raw -I PREROUTING -s 192.168.200.0/24 -j ACCEPT"
