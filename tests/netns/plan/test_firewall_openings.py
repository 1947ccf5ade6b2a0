"""Openings in other firewalls: only where packets may be dropped, recognised by tag, and removed with the namespace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from paper_machine import apply_on_paper

from netns.firewall.rules import DnsOpening, Opening
from netns.plan import firewall, firewall_steps, steps
from netns.spec import NamespaceSpec
from netns.state import ChainRule, FilterChain, FirewallState, Journal, ObservedState

SPEC = NamespaceSpec()
OPENING = Opening("speedmon:ip4only", "ip4only-root", "eth0", "192.168.200.0/24")

OURS = tuple(ChainRule(comment, target="ACCEPT") for comment in OPENING.comments)

STALE = tuple(ChainRule(comment, target="ACCEPT") for comment in replace(OPENING, uplink="wlan0").comments)

DROP, USER = ChainRule(may_drop=True, target="DROP"), ChainRule(may_drop=True, target="DOCKER-USER")

FORWARD = FilterChain("iptables-nft", "FORWARD", drops=True)

DOCKER = (replace(FORWARD, rules=(USER,)), FilterChain("iptables-nft", "DOCKER-USER"))


def planned(*chains: FilterChain) -> list[steps.Step]:
    """Return what a set-up would do to these chains."""
    return firewall.plan_openings(SPEC, "eth0", FirewallState(chains), Journal())


@pytest.mark.parametrize(
    "chains",
    [
        (),
        (FilterChain("iptables-nft", "FORWARD"),),
        (FilterChain("nft", "inet mine forward", rules=(ChainRule("ssh", target="ACCEPT"),)),),
        (replace(FORWARD, rules=OURS),),
        (replace(FORWARD, rules=(ChainRule(target="LOG"), *OURS, DROP)),),
        (DOCKER[0], replace(DOCKER[1], rules=OURS)),
    ],
    ids=["no firewall", "iptables accepts", "nft accepts", "open", "open, behind a log", "open in DOCKER-USER"],
)
def test_nothing_to_do(chains: tuple[FilterChain, ...]):
    """A firewall that drops nothing, or has our pair already, is left alone."""
    assert planned(*chains) == []


@pytest.mark.parametrize(
    "rules",
    [(), (DROP,), (DROP, *OURS), OURS[:1], OURS[::-1], (*OURS, *OURS), STALE, (*STALE, *OURS)],
    ids=["none", "a drop", "a drop before", "half", "turned round", "twice", "old uplink", "both uplinks"],
)
def test_pair_is_inserted_at_the_head(rules: tuple[ChainRule, ...]):
    """Whatever is there of ours is replaced by one pair, before anything that may drop."""
    assert planned(replace(FORWARD, rules=rules)) == [firewall_steps.OpenChain("iptables-nft", "FORWARD", OPENING)]


INPUTS = (
    FilterChain("iptables-nft", "INPUT", drops=True, hook="input"),
    FilterChain("nft", "inet mine in", rules=(DROP,), hook="input"),
)


def test_name_server_of_the_host_can_be_asked():
    """Where the host answers for names and its input is closed, port 53 is opened there, and nowhere else."""
    assert planned(*INPUTS) == []
    planned_steps = firewall.plan_openings(SPEC, "eth0", FirewallState(INPUTS), Journal(), ("10.50.0.1",))
    names = DnsOpening("speedmon:ip4only", "ip4only-root", "192.168.200.0/24", ("10.50.0.1",))
    assert planned_steps == [firewall_steps.OpenChain(chain.program, chain.name, names) for chain in reversed(INPUTS)]
    opened = apply_on_paper(ObservedState(firewalls=FirewallState(INPUTS)), tuple(planned_steps)).firewalls
    assert firewall.plan_openings(SPEC, "eth0", opened, Journal(), ("10.50.0.1",)) == []
    assert len(firewall.plan_openings(SPEC, "eth0", opened, Journal())) == 2  # no longer needed: both are closed again


def test_docker_user_chain_is_used():
    """Where FORWARD leads to DOCKER-USER the pair goes there."""
    assert planned(*DOCKER) == [firewall_steps.OpenChain("iptables-nft", "DOCKER-USER", OPENING)]


@pytest.mark.parametrize("rules", [(), (DROP, USER)], ids=["no jump", "a drop before the jump"])
def test_orphan_of_docker_is_not_used(rules: tuple[ChainRule, ...]):
    """A DOCKER-USER that packets do not reach is no place for rules, and those in it go."""
    orphan_steps = planned(replace(FORWARD, rules=rules), replace(DOCKER[1], rules=OURS))
    assert orphan_steps == [
        firewall_steps.CloseChain("iptables-nft", "DOCKER-USER", "speedmon:ip4only"),
        firewall_steps.OpenChain("iptables-nft", "FORWARD", OPENING),
    ]


def test_opening_is_removed_when_not_needed():
    """A firewall that drops no more gets its rule back out."""
    assert planned(replace(FORWARD, drops=False, rules=OURS)) == [
        firewall_steps.CloseChain("iptables-nft", "FORWARD", "speedmon:ip4only")
    ]


def test_openings_of_other_namespaces_stay():
    """The rules of another namespace, even of one whose name begins alike, are not ours."""
    other = tuple(ChainRule(comment) for comment in replace(OPENING, tag="speedmon:ip4only2").comments)
    chains = FirewallState((replace(FORWARD, rules=other),))
    assert firewall.plan_openings_removal(SPEC, chains, Journal()) == []


def test_firewalld_trusts_the_subnet():
    """Where firewalld runs, the subnet becomes a trusted source, which the journal keeps."""
    ordered = tuple(firewall.plan_openings(SPEC, "eth0", FirewallState(trusted=frozenset()), Journal()))
    assert ordered == (firewall_steps.TrustSource("192.168.200.0/24"),)
    assert firewall.trusted_sources_after(ordered, Journal()) == ("192.168.200.0/24",)


def test_trust_of_others_is_kept():
    """A source that the user trusts is neither added nor, at teardown, removed."""
    trusting = FirewallState(trusted=frozenset({"192.168.200.0/24"}))
    assert firewall.plan_openings(SPEC, "eth0", trusting, Journal()) == []
    assert firewall.plan_openings_removal(SPEC, trusting, Journal()) == []


def test_trust_follows_the_subnet():
    """With another subnet the old one is trusted no more."""
    journal = Journal(trusted=("10.0.0.0/24",))
    ordered = tuple(firewall.plan_openings(SPEC, "eth0", FirewallState(trusted=frozenset({"10.0.0.0/24"})), journal))
    assert ordered == (firewall_steps.DistrustSource("10.0.0.0/24"), firewall_steps.TrustSource("192.168.200.0/24"))
    assert firewall.trusted_sources_after(ordered, journal) == ("192.168.200.0/24",)


RULES = st.lists(st.sampled_from([DROP, USER, ChainRule(target="LOG"), *OURS, *STALE]), max_size=6).map(tuple)

CHAINS = st.tuples(
    st.builds(FilterChain, st.just("nft"), st.just("inet mine f"), st.booleans(), RULES),
    st.builds(FilterChain, st.just("iptables-nft"), st.just("FORWARD"), st.booleans(), RULES),
    st.builds(FilterChain, st.just("iptables-nft"), st.just("DOCKER-USER"), st.just(value=False), RULES),
    st.builds(FilterChain, st.just("iptables-legacy"), st.just("FORWARD"), st.booleans(), RULES),
)

FIREWALLS = st.builds(FirewallState, CHAINS, st.none() | st.just(frozenset[str]()))


@given(FIREWALLS)
def test_one_set_up_is_enough_and_teardown_removes_all_of_it(random_firewalls: FirewallState):
    """From any state, a second set-up plans nothing, and a teardown leaves the rules of others and none of ours."""
    first = tuple(firewall.plan_openings(SPEC, "eth0", random_firewalls, Journal()))
    opened = apply_on_paper(ObservedState(firewalls=random_firewalls), first)
    journal = Journal(trusted=firewall.trusted_sources_after(first, Journal()))
    assert firewall.plan_openings(SPEC, "eth0", opened.firewalls, journal) == []
    closed = apply_on_paper(opened, tuple(firewall.plan_openings_removal(SPEC, opened.firewalls, journal)))
    for before, after in zip(random_firewalls.chains, closed.firewalls.chains, strict=True):
        assert after.rules == tuple(rule for rule in before.rules if rule not in (*OURS, *STALE))
    assert closed.firewalls.trusted == random_firewalls.trusted


def test_steps_read_as_what_a_person_would_type():
    """The steps print as commands."""
    assert str(firewall_steps.OpenChain("iptables-legacy", "FORWARD", OPENING)).startswith(
        "iptables-legacy -I FORWARD 1 -i ip4only-root -o eth0 -s 192.168.200.0/24 -m comment --comment"
    )
    assert str(firewall_steps.CloseChain("nft", "inet mine f", "speedmon:ip4only")).startswith(
        "nft delete rule inet mine f"
    )
    assert "--permanent" in str(firewall_steps.TrustSource("192.168.200.0/24"))
