"""docs/namespace.md says what is so: its table is measured again, its commands are run, its picture is compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import namespace_doc
import pytest
from home_network import SPEEDMON
from home_network_with_services import SETTINGS
from namespace_baseline import SETUP_METHODS, STRANGER, USER, NamespaceHome, open_home
from namespace_rounds import NFTABLES_HOST, ROUNDS, format_cell

from netns.firewall import nft_rules
from netns.firewall.rules import RuleSet
from netns.spec import NamespaceSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from namespace_baseline import SetupMethod
    from namespace_rounds import Round

SPEC = NamespaceSpec()

OTHER_FIREWALL = "iptables -P FORWARD DROP; printf '#!/bin/sh\\nexec \"$@\"\\n' > /usr/local/bin/sudo"

ENVIRONMENT = SETTINGS | {"USER": USER, "PATH": f"/usr/local/bin:{Path(SPEEDMON).parent}:{SETTINGS['PATH']}"}

REMOVE = "Remove it"


@pytest.fixture
def at() -> Iterator[NamespaceHome]:
    """Yield a home host beside whose firewall the namespace needs an opening, with a sudo for who is root already."""
    with open_home(SETUP_METHODS[1], f"{OTHER_FIREWALL}; chmod 755 /usr/local/bin/sudo") as host:
        yield host


def type_in(at: NamespaceHome, lines: list[str]) -> None:
    """Run command lines one by one: as root those with sudo, as a user the others."""
    for line in lines:
        user = None if line.startswith("sudo ") else USER
        at.home.run(["sh", "-c", line], user=user, env=ENVIRONMENT)


@pytest.mark.root
@pytest.mark.parametrize("way", SETUP_METHODS, ids=[way.name for way in SETUP_METHODS])
@pytest.mark.parametrize("round_", ROUNDS.values(), ids=ROUNDS)
def test_table_says_what_is_found(round_: Round, way: SetupMethod):
    """Each answer in the table is the one that the real thing gives: `python benchmarks/baseline.py` writes them."""
    column = SETUP_METHODS.index(way)
    documented_answers = {
        question: cells[column]
        for question, cells in namespace_doc.read_table_rows().items()
        if question in round_.questions
    }
    assert {question: format_cell(answer) for question, answer in round_.answers(way).items()} == documented_answers


def test_table_has_each_question():
    """No question is left out of the table, and none is in it that is not asked."""
    assert list(namespace_doc.read_table_rows()) == [
        question for round_ in ROUNDS.values() for question in round_.questions
    ]


@pytest.mark.root
def test_steps_are_those_of_a_dry_run():
    """The printed steps are those of the program as it is."""
    with open_home(SETUP_METHODS[1], "") as at:
        assert namespace_doc.read_part(namespace_doc.PRINTED) == namespace_doc.format_dry_run(at.home, USER)


@pytest.mark.root
def test_every_command_works(at: NamespaceHome):
    """Typed in one after another, from the first to teardown, the commands succeed and leave no trace."""
    sections = [name for name in namespace_doc.find_headings() if name != REMOVE]
    at.home.shell(NFTABLES_HOST)
    before = at.home.snapshot()
    type_in(at, [line for name in sections for line in namespace_doc.find_commands(name)])
    assert "not a router" not in at.home.shell("nft list ruleset").stdout
    at.home.shell("sysctl -qw net.ipv4.ip_forward=0")
    type_in(at, namespace_doc.find_commands(REMOVE)[:1])
    assert at.home.snapshot() == before


@pytest.mark.root
def test_undoing_by_hand_leaves_no_trace(at: NamespaceHome):
    """The commands for when the program is gone take everything away, the rules in another firewall too."""
    at.method.set_up(at.home)
    assert at.home.snapshot() != at.before
    type_in(at, namespace_doc.find_commands(REMOVE)[1:])
    assert at.home.snapshot() == at.before


@pytest.mark.root
def test_counters_tell_who_drops(at: NamespaceHome):
    """A later chain that drops lets `fwd_out` grow alone; where all is well, `left_host` grows with it."""
    at.method.set_up(at.home)
    begin = counters(at)
    assert at.inside("ping", "-c1", "-W5", "203.0.113.1").returncode == 0
    passed = counters(at)
    assert (passed["fwd_out"] > begin["fwd_out"], passed["left_host"] > begin["left_host"]) == (True, True)
    at.home.shell("nft 'add table ip late { chain forward { type filter hook forward priority 20; drop; }; }'")
    assert at.inside("ping", "-c1", "-W1", "203.0.113.1").returncode == 1
    dropped = counters(at)
    assert (dropped["fwd_out"] > passed["fwd_out"], dropped["left_host"]) == (True, passed["left_host"])


def counters(at: NamespaceHome) -> dict[str, int]:
    """Return the packets that the named counters of our table have counted."""
    listed = at.home.shell("nft list counters table inet speedmon").stdout
    return {name: int(packets) for name, packets in re.findall(r"counter (\w+) {\s+packets (\d+)", listed)}


@pytest.mark.root
def test_rule_about_a_user_does_not_hold_inside(at: NamespaceHome):
    """What the document warns of: a rule about a user's packets does not meet those of the namespace."""
    at.method.set_up(at.home)
    at.home.shell(f"iptables -A OUTPUT -m owner --uid-owner {USER} -j REJECT")
    ping = ["ping", "-c1", "-W5", "203.0.113.1"]
    assert at.home.run(ping, user=USER, check=False).returncode != 0
    assert at.home.run(ping, user=STRANGER).returncode == 0
    assert at.inside(*ping).returncode == 0


def test_picture_has_the_real_names():
    """The names, addresses and priorities of the picture are those of the program."""
    picture_text = re.sub(r"<[^>]+>", "", namespace_doc.PICTURE.read_text())
    names = [SPEC.host_link, SPEC.inner_link, str(SPEC.subnet), SPEC.alias, f"{SPEC.etc}/resolv.conf"]
    priorities = [
        f"{nft_rules.EARLY_PRIORITY} &#160;table inet {SPEC.table}",
        f"{nft_rules.SRCNAT_PRIORITY} &#160;masquerade",
    ]
    reasons = ["not a router", f"{nft_rules.LAST_PRIORITY} &#160;after", "ns_out", "ns_in", "ns_host"]
    rules = str(nft_rules.to_commands(RuleSet(SPEC.table, SPEC.host_link, str(SPEC.subnet), "eth0", guard=True)))
    assert [name for name in [*names, *priorities, *reasons] if name not in picture_text] == []
    assert all(name in rules for name in ("not a router", "ns_out", "ns_in", "ns_host", "after", "ipv6_seen"))


def test_links_lead_somewhere():
    """Each link of the document to a file of the project is to one that is there."""
    links = re.findall(r"\]\(([^)#]+)\)|`(tests/[^`]+|netns/[^`]+)`", namespace_doc.DOCUMENT.read_text())
    assert links
    for link, code in links:
        base = namespace_doc.DOCS if link else namespace_doc.DOCS.parent
        assert (base / (link or code)).exists(), link or code
