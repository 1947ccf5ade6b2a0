"""Which rule and table keep a namespace on its uplink, and that any half of them is repaired or removed, on paper."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from paper_machine import apply_on_paper

from netns.errors import ForeignStateError
from netns.plan import routing
from netns.spec import NamespaceSpec
from netns.state import (
    DEFAULT_NETWORK,
    Journal,
    ObservedState,
    PolicyRouting,
    PolicyRule,
    TableRoute,
    UnmarkedRule,
    Uplink,
)

SPEC = NamespaceSpec(uplink="eth2")
NEAR, WAY = ("192.0.2.0/24", None), (DEFAULT_NETWORK, "192.0.2.1")
UPLINK = Uplink("eth2", 1500, "192.0.2.1", (NEAR, WAY))
AUTO = Uplink("eth0", 1500, "203.0.113.1")

KERNEL = (PolicyRule(0, 255, protocol=2), PolicyRule(32766, 254, protocol=2), PolicyRule(32767, 253, protocol=2))

BARE = PolicyRouting(KERNEL, (), frozenset({254, 255}))

OURS = PolicyRule(5000, 6400, "ip4only-root", "192.168.200.0/24")

TABLE = (
    TableRoute(6400, DEFAULT_NETWORK),
    TableRoute(6400, NEAR[0], "eth2"),
    TableRoute(6400, DEFAULT_NETWORK, "eth2", "192.0.2.1"),
)


def table(
    host_routing: PolicyRouting, *others: int | None, uplink: Uplink = UPLINK, journal: Journal | None = None
) -> int | None:
    """Return the table that is chosen."""
    return routing.choose_table(SPEC, uplink, host_routing, journal or Journal(), others)


def after(host_routing: PolicyRouting, uplink: Uplink = UPLINK, journal: Journal | None = None) -> PolicyRouting:
    """Return the routing after a set-up on paper."""
    journal = journal or Journal()
    planned = routing.plan_routing(
        SPEC, uplink, host_routing, journal, table(host_routing, uplink=uplink, journal=journal)
    )
    return apply_on_paper(ObservedState(routing=host_routing), tuple(planned)).routing


def with_rules(*rules: PolicyRule) -> PolicyRouting:
    """Return a host that has policy rules beside the kernel's."""
    return replace(BARE, rules=(*KERNEL, *rules))


def test_rule_and_table_of_a_pinned_namespace():
    """On a bare host they have their usual numbers, and the table ends in a refusal."""
    assert set(after(BARE).rules) == {*KERNEL, OURS}
    assert set(after(BARE).routes) == set(TABLE)


def test_unreachable_route_is_added_first_and_the_rule_last():
    """From the first packet that the rule leads to the table, the table holds all."""
    planned = [str(step) for step in routing.plan_routing(SPEC, UPLINK, BARE, Journal(), 6400)]
    assert planned == [
        "ip route add unreachable default metric 4294967295 table 6400 proto 115",
        "ip route add 192.0.2.0/24 dev eth2 table 6400 proto 115",
        "ip route add default via 192.0.2.1 dev eth2 onlink table 6400 proto 115",
        "ip rule add priority 5000 iif ip4only-root from 192.168.200.0/24 lookup 6400 protocol 115",
    ]


@pytest.mark.parametrize(
    ("others", "priority"),
    [
        ((), 5000),
        ((PolicyRule(9000, 77, protocol=3),), 5000),
        ((PolicyRule(5000, 77, protocol=3),), 4999),
        ((PolicyRule(70, 77, protocol=3), PolicyRule(9000, 77, protocol=3)), 69),
        ((PolicyRule(5000, 6400, "wan2-root", "192.168.201.0/24"),), 4999),
        ((PolicyRule(2, 77, protocol=3), PolicyRule(1, 6400, "wan2-root", "192.168.201.0/24")), None),
        ((PolicyRule(1, 77, protocol=3),), None),
    ],
)
def test_priority_is_free_and_ahead_of_others(others: tuple[PolicyRule, ...], priority: int | None):
    """It is below that of each rule of somebody else, none is shared, and no room is an error that says so."""
    host_routing = with_rules(*others)
    if priority is None:
        with pytest.raises(ForeignStateError, match="leaves no room"):
            routing.plan_routing(SPEC, UPLINK, host_routing, Journal(), 6401)
    else:
        planned = routing.plan_routing(SPEC, UPLINK, host_routing, Journal(), 6401)
        assert [step.rule.priority for step in planned if hasattr(step, "rule")] == [priority]


def test_table_is_free():
    """One that holds a route, that a rule leads to or that another namespace claims is not taken."""
    assert table(replace(BARE, tables=frozenset({254, 6400}))) == 6401
    assert table(with_rules(PolicyRule(7, 6400, protocol=3))) == 6401
    assert table(BARE, 6400, None, 6401) == 6402


def test_table_is_kept():
    """It comes from the journal, else from our rule; without a pin there is none."""
    assert table(BARE, journal=Journal(route_table=6407)) == 6407
    assert table(with_rules(replace(OURS, table=6408))) == 6408
    assert table(BARE, uplink=AUTO) is None


def test_nothing_of_others_is_removed():
    """Rules and routes of other namespaces and of other programs stay at teardown."""
    theirs = PolicyRule(4999, 6401, "wan2-root", "192.168.201.0/24")
    host_routing = PolicyRouting(
        (*KERNEL, OURS, theirs), (*TABLE, TableRoute(6401, DEFAULT_NETWORK)), frozenset({6400, 6401})
    )
    remaining = apply_on_paper(
        ObservedState(routing=host_routing), tuple(routing.plan_routing_removal(SPEC, host_routing, Journal()))
    ).routing
    assert remaining == replace(host_routing, rules=(*KERNEL, theirs), routes=(TableRoute(6401, DEFAULT_NETWORK),))


@pytest.mark.parametrize(
    ("uplink", "server", "is_reported"),
    [
        (UPLINK, "203.0.113.53", True),
        (UPLINK, "203.0.113.10", False),
        (UPLINK, "192.0.2.53", False),
        (UPLINK, "9.9.9.9", False),
        (AUTO, "203.0.113.53", False),
    ],
)
def test_name_server_of_another_line_is_reported(uplink: Uplink, server: str, is_reported: bool):
    """One in a network of another interface is not reached by the pinned line, but for the host's own address."""
    networks = tuple((IPv4Network(text), "a route") for text in ("203.0.113.0/24", "192.0.2.0/24", "0.0.0.0/1"))
    host_routing = ObservedState(networks=networks, addresses=frozenset({"203.0.113.10"}))
    assert routing.find_unreachable_servers(uplink, [server], host_routing) == ([server] if is_reported else [])


RULES = st.sets(st.sampled_from([OURS, replace(OURS, priority=40), replace(OURS, source="10.0.0.0/8")]))
ROUTES = st.sets(
    st.sampled_from(
        [*TABLE, TableRoute(6400, DEFAULT_NETWORK, "eth2", "192.0.2.9"), TableRoute(6400, DEFAULT_NETWORK, "eth0")]
    )
)

FOREIGN = st.sets(st.builds(PolicyRule, st.integers(10, 20), st.just(77), protocol=st.just(3)))


@given(RULES, ROUTES, FOREIGN, st.sampled_from([UPLINK, AUTO]))
def test_any_half_is_repaired_in_one_go(
    rules: set[PolicyRule], routes: set[TableRoute], foreign: set[PolicyRule], uplink: Uplink
):
    """Whatever is there of ours, one set-up repairs it and a second does nothing; others' rules stay."""
    journal = Journal(route_table=6400)
    host_routing = PolicyRouting((*KERNEL, *foreign, *rules), tuple(routes), frozenset({254, 6400}))
    repaired = after(host_routing, uplink, journal)
    assert set(repaired.routes) == (set(TABLE) if uplink is UPLINK else set())
    assert {rule for rule in repaired.rules if rule.protocol != OURS.protocol} == {*KERNEL, *foreign}
    assert after(repaired, uplink, journal) == repaired
    assert routing.plan_routing(SPEC, uplink, repaired, journal, table(repaired, uplink=uplink, journal=journal)) == []


def guarded(host_routing: PolicyRouting, uplink: str = "eth0") -> PolicyRouting:
    """Return the routing after a guard was set up on paper."""
    own = routing.choose_guard_table(SPEC, host_routing, Journal(), ())
    planned = routing.plan_guard(SPEC, uplink, host_routing, Journal(), own)
    return apply_on_paper(ObservedState(routing=host_routing), tuple(planned)).routing


GUARD = UnmarkedRule(4900, 6500, "eth0")


def test_guard_refuses_what_nobody_looks_after():
    """Its rule is for packets without the mark, and its table leads nowhere; a second call plans nothing."""
    made = guarded(BARE)
    assert set(made.rules) == {*KERNEL, GUARD}
    assert [(route.link, route.router) for route in made.routes] == [(None, None), ("ip4only-root", "192.0.0.8")]
    assert routing.plan_guard(SPEC, "eth0", made, Journal(), 6500) == []


def test_guard_of_an_earlier_release_is_replaced():
    """With iptables, its rule was for every packet, and its table led to the namespace."""
    table = routing.choose_guard_table(SPEC, BARE, Journal(), ())
    earlier = replace(
        guarded(BARE),
        rules=(*KERNEL, PolicyRule(4900, table, "eth0")),
        routes=(*guarded(BARE).routes, TableRoute(table, "192.168.200.0/24", "ip4only-root")),
    )
    repaired = guarded(earlier)
    assert {(rule.table, type(rule)) for rule in repaired.rules if rule.link} == {(table, UnmarkedRule)}
    assert set(repaired.routes) == set(guarded(BARE).routes)


def test_guard_moves_with_the_uplink_and_goes_without_a_trace():
    """The rule for a former name goes; so does everything once the host forwards for itself, or at teardown."""
    moved = guarded(guarded(BARE), "wan0")
    assert [rule.link for rule in moved.rules if rule.table == 6500] == ["wan0"]
    for planned in (
        routing.plan_guard(SPEC, "wan0", moved, Journal(), None),
        routing.plan_guard_removal(SPEC, moved, Journal()),
    ):
        left = apply_on_paper(ObservedState(routing=moved), tuple(planned)).routing
        assert (set(left.rules), set(left.routes)) == (set(KERNEL), set())


def test_guard_comes_ahead_of_the_rules_of_others():
    """A rule of somebody else's must not forward what the guard refuses."""
    made = guarded(with_rules(PolicyRule(100, 52, protocol=3)))
    assert next(rule.priority for rule in made.rules if rule.table == 6500) == 99
