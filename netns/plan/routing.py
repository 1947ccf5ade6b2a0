"""Plans our policy routing, and how to undo it: a namespace's own uplink, and the guard of forwarding. Pure.

A policy rule sends packets from the namespace to a routing table of its own, ahead of all rules except the kernel's
first. The table ends with an unreachable route, so that no packet leaves by another uplink when this one is down.
Replies pass a strict reverse-path filter: the kernel looks up the way back as if from the namespace's link, which the
rule matches.

Where the uplink forwards only because of us, our firewall rules mark what they look after. A rule of the guard leads
packets without that mark, as after `nft flush ruleset`, to a table whose only router does not exist: the uplink then
forwards nothing. (That router is beyond the namespace's link, so that a reverse-path filter still finds the way back.)
In iptables, only replies get the mark, as its rules may be flushed table by table.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netns.errors import ForeignStateError
from netns.plan.ownership import SHORTEST_PREFIX
from netns.plan.steps import AddPolicyRule, AddTableRoute, DeletePolicyRule, DeleteTableRoute
from netns.state import DEAD_END, DEFAULT_NETWORK, ROUTE_PROTOCOL, PolicyRule, TableRoute, UnmarkedRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netns.plan.steps import Step
    from netns.spec import NamespaceSpec
    from netns.state import Journal, ObservedState, PolicyRouting, Uplink

# Far from the table numbers that people choose (1 to 255) and that VPNs use (52, 51820).
FIRST_TABLE, FIRST_GUARD_TABLE = 6400, 6500

# The priority if there are no rules except the kernel's; with room on either side.
DEFAULT_PRIORITY, GUARD_PRIORITY = 5000, 4900
MAIN_TABLE_PRIORITY = 32766


def choose_table(
    spec: NamespaceSpec, uplink: Uplink, routing: PolicyRouting, journal: Journal, others: Iterable[int | None]
) -> int | None:
    """Return the number of the namespace's own table, None if it uses the host's tables; `others` are in use."""
    if uplink.routes is None:
        return None
    known = [journal.route_table, *(rule.table for rule in _own_rules(spec, routing))]
    if current := next(filter(None, known), None):
        return current
    return _choose_free_table(FIRST_TABLE, routing, others)


def _choose_free_table(first: int, routing: PolicyRouting, others: Iterable[int | None]) -> int:
    taken = {*routing.tables, *others, *(rule.table for rule in routing.rules)}
    return next(number for number in range(first, first + len(taken) + 1) if number not in taken)


def choose_guard_table(
    spec: NamespaceSpec, routing: PolicyRouting, journal: Journal, others: Iterable[int | None]
) -> int:
    """Return the number of the guard's table; `others` are in use."""
    known = [journal.guard_table, *_guard_tables(spec, routing)]
    return next(filter(None, known), None) or _choose_free_table(FIRST_GUARD_TABLE, routing, others)


def plan_guard(
    spec: NamespaceSpec, uplink: str, routing: PolicyRouting, journal: Journal, own: int | None
) -> list[Step]:
    """Plan what the guard on `uplink` lacks in table `own`; None: this host forwards anyway, and the guard goes.

    Raises:
        ForeignStateError: no priority is free ahead of the rules of others.
    """
    if own is None:
        return plan_guard_removal(spec, routing, journal)
    old = _guard_rules(spec, routing, journal)
    current_priorities = [rule.priority for rule in old if rule.table == own]
    number = _choose_priority(spec, routing, current_priorities, GUARD_PRIORITY)
    rule = UnmarkedRule(number, own, uplink)
    routes = [TableRoute(own, DEFAULT_NETWORK), TableRoute(own, DEFAULT_NETWORK, spec.host_link, DEAD_END)]
    current = [route for route in routing.routes if route.table == own]
    return [
        *(DeleteTableRoute(route) for route in current if route not in routes),
        *(AddTableRoute(route) for route in routes if route not in current),
        *([AddPolicyRule(rule)] if rule not in routing.rules else []),
        *(DeletePolicyRule(other) for other in old if other != rule),
    ]


def plan_guard_removal(spec: NamespaceSpec, routing: PolicyRouting, journal: Journal) -> list[Step]:
    """Plan the removal of the guard's rule and table."""
    tables = {journal.guard_table, *_guard_tables(spec, routing)}
    return [
        *(DeletePolicyRule(rule) for rule in _guard_rules(spec, routing, journal)),
        *(DeleteTableRoute(route) for route in routing.routes if route.table in tables),
    ]


def _guard_tables(spec: NamespaceSpec, routing: PolicyRouting) -> list[int]:
    """Return the tables with a dead end beyond the namespace's link; a link that is gone has taken it along."""
    return [route.table for route in routing.routes if (route.link, route.router) == (spec.host_link, DEAD_END)]


def _guard_rules(spec: NamespaceSpec, routing: PolicyRouting, journal: Journal) -> list[PolicyRule]:
    tables = {journal.guard_table, *_guard_tables(spec, routing)}
    return [rule for rule in routing.rules if rule.protocol == ROUTE_PROTOCOL and rule.table in tables]


def plan_routing(
    spec: NamespaceSpec, uplink: Uplink, routing: PolicyRouting, journal: Journal, own: int | None
) -> list[Step]:
    """Plan what table `own` and the rule to it lack, and the removal of what is no longer needed.

    Raises:
        ForeignStateError: no priority is free ahead of the rules of others.
    """
    if own is None or uplink.routes is None:
        return plan_routing_removal(spec, routing, journal)
    rule = _wanted_rule(spec, routing, own)
    routes = [
        TableRoute(own, DEFAULT_NETWORK),
        *(TableRoute(own, network, uplink.link, router) for network, router in uplink.routes),
    ]
    current = [route for route in routing.routes if route.table == own]
    return [
        *(DeleteTableRoute(route) for route in current if route not in routes),
        *(AddTableRoute(route) for route in routes if route not in current),
        *([AddPolicyRule(rule)] if rule not in routing.rules else []),
        *(DeletePolicyRule(old) for old in _own_rules(spec, routing) if old != rule),
    ]


def plan_routing_removal(spec: NamespaceSpec, routing: PolicyRouting, journal: Journal) -> list[Step]:
    """Plan the removal of our rule, and of our own routes in its table."""
    rules = _own_rules(spec, routing)
    tables = {journal.route_table, *(rule.table for rule in rules)}
    return [
        *(DeletePolicyRule(rule) for rule in rules),
        *(DeleteTableRoute(route) for route in routing.routes if route.table in tables),
    ]


def find_unreachable_servers(uplink: Uplink, servers: Iterable[str], observed: ObservedState) -> list[str]:
    """Return the name servers in a network that the host reaches over another link than the pinned uplink."""
    if uplink.routes is None:
        return []
    near = {network for network, _ in uplink.routes}
    wide = SHORTEST_PREFIX  # shorter prefixes are parts of a default route
    elsewhere = [network for network, _ in observed.networks if network.prefixlen >= wide and str(network) not in near]
    asked = [server for server in servers if server not in observed.addresses]
    return [server for server in asked if any(IPv4Address(server) in network for network in elsewhere)]


def _own_rules(spec: NamespaceSpec, routing: PolicyRouting) -> list[PolicyRule]:
    return [rule for rule in routing.rules if rule.link == spec.host_link and rule.protocol == ROUTE_PROTOCOL]


def _wanted_rule(spec: NamespaceSpec, routing: PolicyRouting, own: int) -> PolicyRule:
    ours = [rule.priority for rule in _own_rules(spec, routing)]
    return PolicyRule(_choose_priority(spec, routing, ours), own, spec.host_link, str(spec.subnet))


def _choose_priority(
    spec: NamespaceSpec, routing: PolicyRouting, current: Iterable[int], usual: int = DEFAULT_PRIORITY
) -> int:
    """Return the priority of a rule of ours, ahead of all of others; `current` are those that it may have already."""
    first_priority = min(
        (rule.priority for rule in routing.rules if rule.priority and rule.protocol != ROUTE_PROTOCOL),
        default=MAIN_TABLE_PRIORITY,
    )
    ours = [priority for priority in current if 0 < priority < first_priority]
    taken = {rule.priority for rule in routing.rules} - set(ours)
    free = (number for number in range(min(first_priority - 1, usual), 0, -1) if number not in taken)
    priority = next(iter(ours), None) or next(free, None)
    if priority is None:
        raise ForeignStateError(
            f"the policy rule with priority {first_priority} leaves no room for the rule of {spec.name} ahead of it;"
            f" give it a higher number (`ip rule` lists them)"
        )
    return priority
