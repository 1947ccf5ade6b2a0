"""Plans how policy routing keeps a namespace on one uplink, whatever route the host uses, and how to undo that. Pure.

A policy rule sends packets from the namespace to a routing table of its own, ahead of all rules except the kernel's
first. The table ends with an unreachable route, so that no packet leaves by another uplink when this one is down.
Replies pass a strict reverse-path filter: the kernel looks up the way back as if from the namespace's link, which the
rule matches.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netns.errors import ForeignStateError
from netns.plan.ownership import SHORTEST_PREFIX
from netns.plan.steps import AddPolicyRule, AddTableRoute, DeletePolicyRule, DeleteTableRoute
from netns.state import DEFAULT_NETWORK, ROUTE_PROTOCOL, PolicyRule, TableRoute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netns.plan.steps import Step
    from netns.spec import NamespaceSpec
    from netns.state import Journal, ObservedState, PolicyRouting, Uplink

# Far from the table numbers that people choose (1 to 255) and that VPNs use (52, 51820).
FIRST_TABLE = 6400

# The priority if there are no rules except the kernel's; with room on either side.
DEFAULT_PRIORITY = 5000
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
    taken = {*routing.tables, *others, *(rule.table for rule in routing.rules)}
    return next(number for number in range(FIRST_TABLE, FIRST_TABLE + len(taken) + 1) if number not in taken)


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
    first_priority = min(
        (rule.priority for rule in routing.rules if rule.priority and rule.protocol != ROUTE_PROTOCOL),
        default=MAIN_TABLE_PRIORITY,
    )
    ours = [rule.priority for rule in _own_rules(spec, routing) if 0 < rule.priority < first_priority]
    taken = {rule.priority for rule in routing.rules} - set(ours)
    free = (number for number in range(min(first_priority - 1, DEFAULT_PRIORITY), 0, -1) if number not in taken)
    priority = next(iter(ours), None) or next(free, None)
    if priority is None:
        raise ForeignStateError(
            f"the policy rule with priority {first_priority} leaves no room for the rule of {spec.name} ahead of it;"
            f" give it a higher number (`ip rule` lists them)"
        )
    return PolicyRule(priority, own, spec.host_link, str(spec.subnet))
