"""Steps that pin a namespace to one uplink and undo that, planned by `netns.pinning`. Pure data; see `netns.steps`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netns.routing import EVERYWHERE, PROTOCOL
from netns.steps import Step

if TYPE_CHECKING:
    from netns.routing import Route, Rule

# The highest metric, so that every other route is preferred.
LAST_METRIC = 4_294_967_295


def _route(route: Route) -> str:
    network = "default" if route.network == EVERYWHERE else route.network
    suffix = f"table {route.table} proto {PROTOCOL}"
    if route.link is None:
        return f"unreachable {network} metric {LAST_METRIC} {suffix}"
    next_hop = f" via {route.router} dev {route.link} onlink" if route.router else f" dev {route.link}"
    return f"{network}{next_hop} {suffix}"


def _rule(rule: Rule) -> str:
    return f"priority {rule.priority} iif {rule.link} from {rule.source} lookup {rule.table} protocol {rule.protocol}"


class AddTableRoute(Step, frozen=True):
    """Add a route to the table of a pinned namespace."""

    route: Route

    def __str__(self) -> str:
        return f"ip route add {_route(self.route)}"

    @property
    def undo(self) -> Step:
        return DeleteTableRoute(self.route)


class DeleteTableRoute(Step, frozen=True):
    """Remove a route from the table of a pinned namespace, unless it was removed with its link."""

    route: Route

    def __str__(self) -> str:
        return f"ip route delete {_route(self.route)}"

    @property
    def undo(self) -> Step:
        return AddTableRoute(self.route)


class AddRule(Step, frozen=True):
    """Add the policy rule that sends packets from the namespace to its own table."""

    rule: Rule

    def __str__(self) -> str:
        return f"ip rule add {_rule(self.rule)}"

    @property
    def undo(self) -> Step:
        return DeleteRule(self.rule)


class DeleteRule(Step, frozen=True):
    """Remove the policy rule that sends packets from the namespace to its own table."""

    rule: Rule

    def __str__(self) -> str:
        return f"ip rule delete {_rule(self.rule)}"

    @property
    def undo(self) -> Step:
        return AddRule(self.rule)
