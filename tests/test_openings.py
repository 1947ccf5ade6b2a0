"""Openings in other firewalls: only where packets may be dropped, recognised by tag, and gone with the namespace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine import carry_out
from msgspec.structs import replace

from netns import foreign_steps, openings, steps
from netns.foreign import Chain, Firewalls, Rule
from netns.model import Journal, NamespaceSpec, Observed
from netns.opening import NameOpening, Opening

SPEC = NamespaceSpec()
OPENING = Opening("speedmon:ip4only", "ip4only-root", "eth0", "192.168.200.0/24")
OURS = tuple(Rule(comment, target="ACCEPT") for comment in OPENING.comments)
STALE = tuple(Rule(comment, target="ACCEPT") for comment in replace(OPENING, uplink="wlan0").comments)
DROP, USER = Rule(may_drop=True, target="DROP"), Rule(may_drop=True, target="DOCKER-USER")
FORWARD = Chain("iptables-nft", "FORWARD", drops=True)
DOCKER = (replace(FORWARD, rules=(USER,)), Chain("iptables-nft", "DOCKER-USER"))


def planned(*chains: Chain) -> list[steps.Step]:
    """Return what a set-up would do to these chains."""
    return openings.setup(SPEC, "eth0", Firewalls(chains), Journal())


@pytest.mark.parametrize(
    "chains",
    [
        (),
        (Chain("iptables-nft", "FORWARD"),),
        (Chain("nft", "inet mine forward", rules=(Rule("ssh", target="ACCEPT"),)),),
        (replace(FORWARD, rules=OURS),),
        (replace(FORWARD, rules=(Rule(target="LOG"), *OURS, DROP)),),
        (DOCKER[0], replace(DOCKER[1], rules=OURS)),
    ],
    ids=["no firewall", "iptables accepts", "nft accepts", "open", "open, behind a log", "open in DOCKER-USER"],
)
def test_nothing_to_do(chains: tuple[Chain, ...]):
    """A firewall that drops nothing, or has our pair already, is left alone."""
    assert planned(*chains) == []


@pytest.mark.parametrize(
    "rules",
    [(), (DROP,), (DROP, *OURS), OURS[:1], OURS[::-1], (*OURS, *OURS), STALE, (*STALE, *OURS)],
    ids=["none", "a drop", "a drop before", "half", "turned round", "twice", "old uplink", "both uplinks"],
)
def test_pair_is_put_at_the_head(rules: tuple[Rule, ...]):
    """Whatever is there of ours is replaced by one pair, before anything that may drop."""
    assert planned(replace(FORWARD, rules=rules)) == [foreign_steps.OpenChain("iptables-nft", "FORWARD", OPENING)]


INPUTS = (
    Chain("iptables-nft", "INPUT", drops=True, hook="input"),
    Chain("nft", "inet mine in", rules=(DROP,), hook="input"),
)


def test_name_server_of_the_host_is_let_be_asked():
    """Where the host answers for names and its input is closed, port 53 is opened there, and nowhere else."""
    assert planned(*INPUTS) == []
    planned_steps = openings.setup(SPEC, "eth0", Firewalls(INPUTS), Journal(), ("10.50.0.1",))
    names = NameOpening("speedmon:ip4only", "ip4only-root", "192.168.200.0/24", ("10.50.0.1",))
    assert planned_steps == [foreign_steps.OpenChain(chain.program, chain.name, names) for chain in reversed(INPUTS)]
    opened = carry_out(Observed(firewalls=Firewalls(INPUTS)), tuple(planned_steps)).firewalls
    assert openings.setup(SPEC, "eth0", opened, Journal(), ("10.50.0.1",)) == []
    assert len(openings.setup(SPEC, "eth0", opened, Journal())) == 2  # asked no more: both are closed again


def test_docker_keeps_a_chain_for_us():
    """Where FORWARD leads to DOCKER-USER the pair goes there."""
    assert planned(*DOCKER) == [foreign_steps.OpenChain("iptables-nft", "DOCKER-USER", OPENING)]


@pytest.mark.parametrize("rules", [(), (DROP, USER)], ids=["no jump", "a drop before the jump"])
def test_orphan_of_docker_is_not_used(rules: tuple[Rule, ...]):
    """A DOCKER-USER that packets do not reach is no place for rules, and those in it go."""
    orphan_steps = planned(replace(FORWARD, rules=rules), replace(DOCKER[1], rules=OURS))
    assert orphan_steps == [
        foreign_steps.CloseChain("iptables-nft", "DOCKER-USER", "speedmon:ip4only"),
        foreign_steps.OpenChain("iptables-nft", "FORWARD", OPENING),
    ]


def test_opening_goes_with_the_need():
    """A firewall that drops no more gets its rule back out."""
    assert planned(replace(FORWARD, drops=False, rules=OURS)) == [
        foreign_steps.CloseChain("iptables-nft", "FORWARD", "speedmon:ip4only")
    ]


def test_other_namespaces_keep_theirs():
    """The rules of another namespace, even of one whose name begins alike, are not ours."""
    other = tuple(Rule(comment) for comment in replace(OPENING, tag="speedmon:ip4only2").comments)
    chains = Firewalls((replace(FORWARD, rules=other),))
    assert openings.teardown(SPEC, chains, Journal()) == []


def test_firewalld_is_asked_to_trust_the_subnet():
    """Where firewalld runs, the subnet becomes a trusted source, which the journal keeps."""
    ordered = tuple(openings.setup(SPEC, "eth0", Firewalls(trusted=frozenset()), Journal()))
    assert ordered == (foreign_steps.TrustSource("192.168.200.0/24"),)
    assert openings.trusted_after(ordered, Journal()) == ("192.168.200.0/24",)


def test_trust_of_others_is_kept():
    """A source that the user trusts is neither added nor, at teardown, removed."""
    trusting = Firewalls(trusted=frozenset({"192.168.200.0/24"}))
    assert openings.setup(SPEC, "eth0", trusting, Journal()) == []
    assert openings.teardown(SPEC, trusting, Journal()) == []


def test_trust_follows_the_subnet():
    """With another subnet the old one is trusted no more."""
    journal = Journal(trusted=("10.0.0.0/24",))
    ordered = tuple(openings.setup(SPEC, "eth0", Firewalls(trusted=frozenset({"10.0.0.0/24"})), journal))
    assert ordered == (foreign_steps.DistrustSource("10.0.0.0/24"), foreign_steps.TrustSource("192.168.200.0/24"))
    assert openings.trusted_after(ordered, journal) == ("192.168.200.0/24",)


RULES = st.lists(st.sampled_from([DROP, USER, Rule(target="LOG"), *OURS, *STALE]), max_size=6).map(tuple)
CHAINS = st.tuples(
    st.builds(Chain, st.just("nft"), st.just("inet mine f"), st.booleans(), RULES),
    st.builds(Chain, st.just("iptables-nft"), st.just("FORWARD"), st.booleans(), RULES),
    st.builds(Chain, st.just("iptables-nft"), st.just("DOCKER-USER"), st.just(value=False), RULES),
    st.builds(Chain, st.just("iptables-legacy"), st.just("FORWARD"), st.booleans(), RULES),
)
FIREWALLS = st.builds(Firewalls, CHAINS, st.none() | st.just(frozenset[str]()))


@given(FIREWALLS)
def test_one_set_up_is_enough_and_teardown_takes_all_of_it(random_firewalls: Firewalls):
    """From any state, a second set-up plans nothing, and a teardown leaves the rules of others and none of ours."""
    first = tuple(openings.setup(SPEC, "eth0", random_firewalls, Journal()))
    opened = carry_out(Observed(firewalls=random_firewalls), first)
    journal = Journal(trusted=openings.trusted_after(first, Journal()))
    assert openings.setup(SPEC, "eth0", opened.firewalls, journal) == []
    closed = carry_out(opened, tuple(openings.teardown(SPEC, opened.firewalls, journal)))
    for before, after in zip(random_firewalls.chains, closed.firewalls.chains, strict=True):
        assert after.rules == tuple(rule for rule in before.rules if rule not in (*OURS, *STALE))
    assert closed.firewalls.trusted == random_firewalls.trusted


def test_steps_read_as_what_a_person_would_type():
    """The steps print as commands."""
    assert str(foreign_steps.OpenChain("iptables-legacy", "FORWARD", OPENING)).startswith(
        "iptables-legacy -I FORWARD 1 -i ip4only-root -o eth0 -s 192.168.200.0/24 -m comment --comment"
    )
    assert str(foreign_steps.CloseChain("nft", "inet mine f", "speedmon:ip4only")).startswith(
        "nft delete rule inet mine f"
    )
    assert "--permanent" in str(foreign_steps.TrustSource("192.168.200.0/24"))
