"""The rule set: accepted by the real nft, limited to our namespace, and distinguished from a changed one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from netns.firewall import nft_rules
from netns.firewall.rules import RuleSet

if TYPE_CHECKING:
    from private_machine import PrivateMachine

RULES = RuleSet("speedmon", "ip4only-root", "192.168.200.0/24", "eth0", ("10.50.0.1",), guard=True)


def rules_of(chain: str, rules: RuleSet = RULES) -> list[dict]:
    """Return the rules of a chain, in order."""
    added = (command["add"] for command in nft_rules.to_commands(rules) if "add" in command)
    return [entry["rule"] for entry in added if entry.get("rule", {}).get("chain") == chain]


def test_real_nft_takes_it(machine: PrivateMachine):
    """The real nft loads all rules in one transaction, twice in a row."""
    document = json.dumps({"nftables": nft_rules.to_commands(RULES)})
    for _ in range(2):
        machine.run(["nft", "-j", "-f", "-"], input=document)
    listed = machine.run(["nft", "list", "table", "inet", "speedmon"]).stdout
    assert listed.count("masquerade") == 1


def test_listing_has_the_same_digest_while_counters_count(machine: PrivateMachine):
    """The digest of a listing is blind to handles and counters, and sees an added rule."""
    listing = ["nft", "-j", "list", "table", "inet", "speedmon"]
    machine.run(["nft", "-j", "-f", "-"], input=json.dumps({"nftables": nft_rules.to_commands(RULES)}))
    machine.run(["nft", "add rule inet speedmon input counter"])
    before = nft_rules.digest_rules(json.loads(machine.run(listing).stdout)["nftables"])
    machine.run(["ping", "-c1", "127.0.0.1"])
    assert nft_rules.digest_rules(json.loads(machine.run(listing).stdout)["nftables"]) == before
    machine.run(["nft", "add rule inet speedmon input accept"])
    assert nft_rules.digest_rules(json.loads(machine.run(listing).stdout)["nftables"]) != before


def test_every_base_chain_lets_others_pass():
    """Our base chains accept by default: nobody else's traffic is judged by us."""
    chains = [command["add"]["chain"] for command in nft_rules.to_commands(RULES) if "chain" in command.get("add", {})]
    assert {chain["policy"] for chain in chains if "hook" in chain} == {"accept"}


@pytest.mark.parametrize("chain", ["forward", "input", "postrouting", "after"])
def test_rules_in_base_chains_name_us(chain: str):
    """Each rule in a base chain matches our interface or our subnet."""
    for rule in rules_of(chain):
        text = json.dumps(rule["expr"])
        assert "ip4only-root" in text or "192.168.200.0" in text


def test_ipv6_is_counted_and_dropped_first():
    """In every direction the first rule counts IPv6 and drops it."""
    for chain in ("ns_out", "ns_in", "ns_host"):
        expressions = rules_of(chain)[0]["expr"]
        assert {"counter": "ipv6_seen"} in expressions
        assert {"drop": None} in expressions


@pytest.mark.parametrize("field", ["table", "host_link", "subnet", "uplink", "host_dns", "guard"])
def test_every_input_changes_the_digest(field: str):
    """A change of any input gives other rules, so it is noticed and loaded."""
    other = {"table": "t", "host_link": "l", "subnet": "10.0.0.0/8", "uplink": "w", "host_dns": (), "guard": False}
    changed = replace(RULES, **{field: other[field]})
    assert nft_rules.digest_rules(nft_rules.to_commands(changed)) != nft_rules.digest_rules(
        nft_rules.to_commands(RULES)
    )
