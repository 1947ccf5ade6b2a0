"""Pure: how a namespace is kept on one uplink wherever the host itself sends, and the steps to it and back.

A rule looks up what comes from the namespace in a table of its own, ahead of everybody's rules but the kernel's first.
The table ends in a refusal, so that nothing falls through to another uplink when this one is lost. Replies pass the
strict reverse-path filter of the uplink: the kernel asks the way back as if from the namespace's link, which the rule
matches.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netns.errors import ForeignStateError
from netns.ownership import SHORTEST_PREFIX
from netns.routing import EVERYWHERE, PROTOCOL, Route, Rule
from netns.routing_steps import AddRule, AddTableRoute, DeleteRule, DeleteTableRoute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netns.model import Journal, NamespaceSpec, Observed, Uplink
    from netns.routing import Routing
    from netns.steps import Step

# Far from the numbers that people choose (1 to 255) and that VPNs take (52, 51820).
FIRST_TABLE = 6400
# Where there is no rule but the kernel's; room is left on either side.
USUAL_PRIORITY = 5000
MAIN_PRIORITY = 32766


def table(
    spec: NamespaceSpec, uplink: Uplink, routing: Routing, journal: Journal, others: Iterable[int | None]
) -> int | None:
    """Return the number of the namespace's own table, None where the host's tables do; `others` are taken."""
    if uplink.routes is None:
        return None
    known = [journal.route_table, *(rule.table for rule in _ours(spec, routing))]
    if current := next(filter(None, known), None):
        return current
    taken = {*routing.tables, *others, *(rule.table for rule in routing.rules)}
    return next(number for number in range(FIRST_TABLE, FIRST_TABLE + len(taken) + 1) if number not in taken)


def setup(spec: NamespaceSpec, uplink: Uplink, routing: Routing, journal: Journal, own: int | None) -> list[Step]:
    """Plan what is missing of the table `own` and of the rule to it, and the removal of what is no longer wanted.

    Raises:
        ForeignStateError: there is no room ahead of the rules of others.
    """
    if own is None or uplink.routes is None:
        return teardown(spec, routing, journal)
    rule = _rule(spec, routing, own)
    routes = [Route(own, EVERYWHERE), *(Route(own, network, uplink.link, router) for network, router in uplink.routes)]
    current = [route for route in routing.routes if route.table == own]
    return [
        *(DeleteTableRoute(route) for route in current if route not in routes),
        *(AddTableRoute(route) for route in routes if route not in current),
        *([AddRule(rule)] if rule not in routing.rules else []),
        *(DeleteRule(old) for old in _ours(spec, routing) if old != rule),
    ]


def teardown(spec: NamespaceSpec, routing: Routing, journal: Journal) -> list[Step]:
    """Plan the removal of our rule, and of our own routes in the table it leads to."""
    rules = _ours(spec, routing)
    tables = {journal.route_table, *(rule.table for rule in rules)}
    return [
        *(DeleteRule(rule) for rule in rules),
        *(DeleteTableRoute(route) for route in routing.routes if route.table in tables),
    ]


def out_of_reach(uplink: Uplink, servers: Iterable[str], observed: Observed) -> list[str]:
    """Return the name servers that lie in a network which the host has elsewhere than on a pinned uplink."""
    if uplink.routes is None:
        return []
    near = {network for network, _ in uplink.routes}
    wide = SHORTEST_PREFIX  # what is wider is a part of a default route
    elsewhere = [network for network, _ in observed.networks if network.prefixlen >= wide and str(network) not in near]
    asked = [server for server in servers if server not in observed.addresses]
    return [server for server in asked if any(IPv4Address(server) in network for network in elsewhere)]


def _ours(spec: NamespaceSpec, routing: Routing) -> list[Rule]:
    return [rule for rule in routing.rules if rule.link == spec.host_link and rule.protocol == PROTOCOL]


def _rule(spec: NamespaceSpec, routing: Routing, own: int) -> Rule:
    first_priority = min(
        (rule.priority for rule in routing.rules if rule.priority and rule.protocol != PROTOCOL), default=MAIN_PRIORITY
    )
    ours = [rule.priority for rule in _ours(spec, routing) if 0 < rule.priority < first_priority]
    taken = {rule.priority for rule in routing.rules} - set(ours)
    free = (number for number in range(min(first_priority - 1, USUAL_PRIORITY), 0, -1) if number not in taken)
    priority = next(iter(ours), None) or next(free, None)
    if priority is None:
        raise ForeignStateError(
            f"the policy rule of priority {first_priority} leaves no room for that of {spec.name} ahead of it;"
            f" give it a higher number (`ip rule` lists them)"
        )
    return Rule(priority, own, spec.host_link, str(spec.subnet))
